// Compiles the device text of every operator through the CUDA backend's planners, with NVRTC alone: no GPU, no driver.
//   nvrtc_check [--arch=80,90,100] [--level=0|1] [--jobs=2] [--max-spill=128] [--verbose] [--dump=DIR] [--variants] [operator or family ...]
// --variants: one call of each operator, with each value of its knobs that plans something else.
// Exit status 0: all compiled; 1: a failure, or more bytes spilled than
// --max-spill (a few are cheaper than the occupancy they'd cost); 77: there is no NVRTC here (GEMS_NVRTC_DIRS names its folders).
#include <dlfcn.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "backends/cuda/check.h"
#include "core/backend.h"
#include "core/registry.h"

namespace {

struct Options {
  std::vector<int> archs{80, 90, 100};
  std::vector<std::string> names;
  int level = 0, jobs = 2, max_spill = 128;
  bool verbose = false;
  std::string dump;
};

struct Totals {
  std::mutex lock;
  int kernels = 0, failed = 0, refused = 0, spilled = 0;
  double seconds = 0;
};

struct Context {
  const Options* options;
  Totals* totals;
  int arch;
};

void on_report(void* ctx, const gems_cuda_kernel_report* k) {
  auto& c = *static_cast<Context*>(ctx);
  std::lock_guard<std::mutex> guard(c.totals->lock);
  Totals& t = *c.totals;
  if (k->refused) {
    t.refused++;
    if (c.options->verbose) std::printf("refused  sm_%d %s: %s\n", c.arch, k->call, k->error);
    return;
  }
  t.kernels++;
  t.seconds += k->seconds;
  if (k->error) {
    t.failed++;
    std::printf("FAILED   sm_%d %s\n%s\n%s\n", c.arch, k->call, k->body, k->error);
  } else if (k->spill_bytes > c.options->max_spill || (k->spill_bytes && c.options->verbose)) {
    t.spilled += k->spill_bytes > c.options->max_spill;
    std::printf("SPILLS   sm_%d %s: %d registers, %d bytes: %s\n", c.arch, k->call, k->registers, k->spill_bytes, k->body);
  } else if (c.options->verbose) {
    std::printf("ok       sm_%d %s: %d registers, %d shared, %d bytes, %.0f ms\n", c.arch, k->call, k->registers, k->shared_bytes,
                k->code_bytes, 1e3 * k->seconds);
  }
  if (!c.options->dump.empty()) {
    std::string name = std::string(k->call) + " sm_" + std::to_string(c.arch);
    std::replace_if(
        name.begin(), name.end(), [](char x) { return x == ' ' || x == '/'; }, '_');
    std::ofstream(c.options->dump + "/" + name + ".cu") << k->unit;
  }
  std::fflush(stdout);
}

Options parse(int argc, char** argv) {
  Options o;
  for (int i = 1; i < argc; i++) {
    const std::string a = argv[i];
    if (a.rfind("--arch=", 0) == 0) {
      o.archs.clear();
      for (const char* p = argv[i] + 7; *p; p += *p == ',') o.archs.push_back((int)std::strtol(p, const_cast<char**>(&p), 10));
    } else if (a.rfind("--level=", 0) == 0) {
      o.level |= std::atoi(argv[i] + 8);
    } else if (a.rfind("--jobs=", 0) == 0) {
      o.jobs = std::max(1, std::atoi(argv[i] + 7));
    } else if (a.rfind("--max-spill=", 0) == 0) {
      o.max_spill = std::atoi(argv[i] + 12);
    } else if (a == "--variants") {
      o.level |= GEMS_CUDA_CHECK_VARIANTS;
    } else if (a == "--verbose") {
      o.verbose = true;
    } else if (a.rfind("--dump=", 0) == 0) {
      o.dump = a.substr(7);
    } else {
      o.names.push_back(a);
    }
  }
  return o;
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  setenv("GEMS_MATMUL", "own", 0);  // also the products that the native kernels would get
  const std::string path = GEMS_LIB_DIR "/libgems_cuda.so";
  gems::load_backend(path.c_str());
  void* lib = dlopen(path.c_str(), RTLD_NOW | RTLD_NOLOAD);
  auto check = lib ? reinterpret_cast<gems_cuda_compile_check_fn>(dlsym(lib, "gems_cuda_compile_check")) : nullptr;
  if (!check) {
    std::printf("%s can't be loaded\n", path.c_str());
    return 1;
  }
  struct Job {
    const gems_op_info* op;
    int arch;
  };
  std::vector<Job> jobs;
  for (int arch : options.archs)
    for (int i = 0; i < gems::op_count(); i++) {
      const gems_op_info* op = gems::op_at(i);
      const bool wanted =
          options.names.empty() || std::any_of(options.names.begin(), options.names.end(), [&](const std::string& n) {
            return n == op->name || n == gems::family_name(gems::op_family(op));
          });
      if (wanted) jobs.push_back({op, arch});
    }
  Totals totals;
  std::atomic<size_t> next{0};
  std::atomic<bool> missing{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < options.jobs; t++)
    threads.emplace_back([&] {
      for (size_t i; (i = next++) < jobs.size();) {
        Context c{&options, &totals, jobs[i].arch};
        if (check(jobs[i].op, jobs[i].arch, options.level, on_report, &c) < 0) missing = true;
      }
    });
  for (std::thread& t : threads) t.join();
  if (missing) {
    std::printf("no NVRTC: set GEMS_NVRTC_DIRS to the folder of libnvrtc.so\n");
    return 77;
  }
  std::printf(
      "%zu operators x architectures: %d kernels compiled in %.1f s of compiler time, %d failed, %d spill, %d calls refused by "
      "planners\n",
      jobs.size(), totals.kernels, totals.seconds, totals.failed, totals.spilled, totals.refused);
  return totals.failed || totals.spilled ? 1 : 0;
}
