// Packs for machines that aren't here (gems_backend::target): planners run on calls without memory, for the properties of a model of the
// architecture; what they ask for is compiled by threads beside them, into the kernel cache under the key that such a device looks up.
#include <stdlib.h>
#include <string.h>

#include <chrono>
#include <deque>
#include <set>
#include <thread>

#include "backends/cuda/internal.h"
#include "backends/cuda/nvrtc.h"

namespace gems::cuda {
namespace {

// What planners look at, of the cards that data centres have: an architecture's models may differ in kernels because block and tile
// sizes follow the number of multiprocessors. Shared memory is in KB; L2 in MB.
struct Model {
  int cc, sm_count, smem_per_block, smem_per_sm, l2;
  const char* name;
};
constexpr Model kModels[] = {
    {75, 40, 64, 64, 4, "T4"},
    {80, 108, 163, 164, 40, "A100"},
    {80, 56, 163, 164, 24, "A30"},
    {86, 72, 99, 100, 6, "A10"},
    {86, 84, 99, 100, 6, "A40"},
    {89, 142, 99, 100, 96, "L40S"},
    {89, 58, 99, 100, 48, "L4"},
    {90, 132, 227, 228, 50, "H100 SXM, H200"},
    {90, 114, 227, 228, 50, "H100 PCIe"},
    {90, 78, 227, 228, 60, "H20"},
    {100, 148, 227, 228, 126, "B200"},
    {120, 188, 99, 100, 128, "RTX PRO 6000"},
};

struct Target final : Check {
  DeviceState state;
  void (*report)(const gems_planned*) = nullptr;
};
thread_local Target* t_target = nullptr;  // of the thread that plans

struct Job {
  Unit unit;
  std::string kernel, arch;
  void (*report)(const gems_planned*);
};

// Threads that compile; they end when nothing is left, so that no thread outlives what it was started for.
class Compilers {
 public:
  static Compilers& get() {
    static Compilers* c = new Compilers;  // immortal: a thread may be at it during process exit
    return *c;
  }
  void push(Job job) {
    std::lock_guard<std::mutex> guard(lock_);
    if (!seen_.insert(job.unit.key).second) return;
    jobs_.push_back(std::move(job));
    pending_++;
    static const int most = [] {
      const char* s = host().setting ? host().setting("GEMS_JIT_THREADS") : nullptr;
      return s ? std::max(1, atoi(s)) : (int)std::max(1u, std::thread::hardware_concurrency());
    }();
    if (threads_ >= most) return;
    threads_++;
    static const int once = atexit([] { get().drop(); });  // NVRTC is loaded: its own exit handlers run after this one
    (void)once;
    std::thread([this] { loop(); }).detach();
  }
  int wait(double seconds) {
    std::unique_lock<std::mutex> guard(lock_);
    done_.wait_for(guard, std::chrono::duration<double>(seconds), [&] { return pending_ == 0; });
    return pending_;
  }
  // What isn't begun is left: after an interruption.
  void drop() {
    std::unique_lock<std::mutex> guard(lock_);
    pending_ -= (int)jobs_.size();
    jobs_.clear();
    seen_.clear();
    done_.wait(guard, [&] { return pending_ == 0; });  // one compilation long
  }

 private:
  void loop() {
    std::unique_lock<std::mutex> guard(lock_);
    while (!jobs_.empty()) {
      const Job job = std::move(jobs_.front());
      jobs_.pop_front();
      guard.unlock();
      run(job);
      guard.lock();
      pending_--;
      done_.notify_all();
    }
    threads_--;
  }
  static void run(const Job& job) {
    const auto start = std::chrono::steady_clock::now();
    bool cached = false;
    const Compiled c = compile_into_cache(job.unit, job.arch, &cached);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const gems_planned p{job.kernel.c_str(), job.unit.key.c_str(), c.ok ? nullptr : c.log.c_str(),
                         cached ? 1
                         : c.ok ? 2
                                : 3,
                         seconds};
    job.report(&p);
  }

  std::mutex lock_;
  std::condition_variable done_;
  std::deque<Job> jobs_;
  std::set<std::string> seen_;  // keys: each is compiled once
  int pending_ = 0, threads_ = 0;
};

void ask(Check* check, const KernelSource&, const std::string& text) {
  auto& t = *static_cast<Target*>(check);
  Unit unit(text);
  unit.made_with(nvrtc_version(nullptr), t.state.arch);
  const ThreadState& thread = thread_state();
  const std::string kernel = thread.call ? thread.call->op->name : "";
  const gems_planned p{kernel.c_str(), unit.key.c_str(), nullptr, 0, 0};
  t.report(&p);
  Compilers::get().push({std::move(unit), kernel, t.state.arch, t.report});
}

int unknown(const std::string& text) {
  failed(text);
  return 0;
}

}  // namespace

int target(const char* arch, int model, void (*report)(const gems_planned*)) {
  ThreadState& thread = thread_state();
  thread.check = nullptr;
  delete t_target;
  t_target = nullptr;
  if (!arch) {
    Compilers::get().drop();
    return 0;
  }
  const char* why = nullptr;
  if (!nvrtc_version(&why)) return unknown(why);
  char* end = nullptr;
  const int cc = strncmp(arch, "sm_", 3) ? 0 : (int)strtol(arch + 3, &end, 10);
  int models = 0;
  const Model* found = nullptr;
  std::string known;
  for (const Model& m : kModels) {
    if (m.cc == cc && models++ == model) found = &m;
    const std::string name = nvrtc_arch(m.cc / 10, m.cc % 10);
    if (name[0] == 's' && known.find(name) == std::string::npos) known += (known.empty() ? "" : ", ") + name;
  }
  const std::string name = cc ? nvrtc_arch(cc / 10, cc % 10) : "";
  if (!models || name[0] != 's' || (*end && strcmp(end, "a")))
    return unknown(std::string("no architecture ") + arch + "; this library and NVRTC " + nvrtc_version(nullptr) + " know " +
                   known);
  if (!found) return models;
  auto t = std::make_unique<Target>();
  t->device = &t->state;
  t->on_kernel = ask;
  t->report = report;
  t->state.index = kCheckDevice;
  t->state.cc_major = cc / 10;
  t->state.cc_minor = cc % 10;
  t->state.arch = name;
  t->state.name = found->name;
  t->state.sm_count = found->sm_count;
  t->state.max_smem_per_block = found->smem_per_block << 10;
  t->state.max_smem_per_sm = found->smem_per_sm << 10;
  t->state.l2_bytes = found->l2 << 20;
  thread.check = t_target = t.release();
  return models;
}

int target_pending(double seconds) { return Compilers::get().wait(seconds); }

}  // namespace gems::cuda
