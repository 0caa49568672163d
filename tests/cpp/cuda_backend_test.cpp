// The CUDA backend behind its C vtable with a recorded driver (fake_cuda.cpp): attach, kernel table, disk cache, capture, contexts,
// retirement, and the host's cost of a warm call. Kernels are really compiled, so NVRTC is needed; without it the tests are skipped.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/plan/plan.h"
#include "core/registry.h"
#include "tests/cpp/fake_cuda.h"

namespace gems {
namespace {

std::mutex g_lock;
std::map<std::string, std::string> g_cache;
int g_stores = 0, g_loads = 0;
std::vector<std::string> g_log;
std::vector<std::string> g_asked;  // keys of loads
std::string g_made_by;

void* cache_load(const char* key, size_t* size) {
  std::lock_guard<std::mutex> guard(g_lock);
  g_asked.push_back(key);
  const auto i = g_cache.find(key);
  if (i == g_cache.end()) return nullptr;
  g_loads++;
  void* p = std::malloc(i->second.size());
  std::memcpy(p, i->second.data(), *size = i->second.size());
  return p;
}
void cache_store(const char* key, const void* data, size_t size) {
  std::lock_guard<std::mutex> guard(g_lock);
  g_stores++;
  g_cache[key] = std::string(static_cast<const char*>(data), size);
}
std::vector<std::string> g_makers;  // what "packs" were made by
void cache_made_by(const char* maker) {
  std::lock_guard<std::mutex> guard(g_lock);
  g_made_by = maker;
}
const char* pack_maker(int i) {
  return i < static_cast<int>(g_makers.size()) ? g_makers[static_cast<size_t>(i)].c_str() : nullptr;
}
std::vector<std::string> g_turns;    // keys of cache_begin and cache_end
std::string g_stored_while_waiting;  // what "another process" stores during the next cache_begin
int cache_begin(const char* key) {
  std::lock_guard<std::mutex> guard(g_lock);
  g_turns.push_back(std::string("begin ") + key);
  if (g_stored_while_waiting.empty()) return 1;
  g_cache[key] = g_stored_while_waiting;
  g_stored_while_waiting.clear();
  return 0;
}
void cache_end(const char* key) {
  std::lock_guard<std::mutex> guard(g_lock);
  g_turns.push_back(std::string("end ") + key);
}
const char* source_name(int i) {  // the tree's files, as the embedded ones are named
  static const std::vector<std::string> names = [] {
    std::vector<std::string> v{"gems/op.h", "gems/dtype.h"};
    for (const char* n : {"lang/base.h", "lang/integers.h", "lang/lang.h", "lang/math.h", "simt/common.cuh", "simt/pointwise.cuh",
                          "simt/team.cuh", "simt/team_args.cuh", "simt/reduce.cuh"})
      v.push_back(std::string("kernels/") + n);
    for (int k = 0; k < op_count(); k++) v.push_back(op_at(k)->header);
    return v;
  }();
  return i < static_cast<int>(names.size()) ? names[i].c_str() : nullptr;
}
const char* source(const char* name) {
  static std::map<std::string, std::string> texts;
  std::lock_guard<std::mutex> guard(g_lock);
  auto i = texts.find(name);
  if (i == texts.end()) {
    for (const char* root : {GEMS_SOURCE_DIR "/", GEMS_SOURCE_DIR "/include/"})
      if (FILE* f = std::fopen((std::string(root) + name).c_str(), "rb")) {
        std::string text;
        char buf[4096];
        for (size_t n; (n = std::fread(buf, 1, sizeof buf, f)) > 0;) text.append(buf, n);
        std::fclose(f);
        i = texts.emplace(name, text).first;
        break;
      }
  }
  return i == texts.end() ? nullptr : i->second.c_str();
}
void log_line(int, const char* text) {
  std::lock_guard<std::mutex> guard(g_lock);
  g_log.push_back(text);
}
int g_only_kernel = 0;
const char* read_setting(const char* name) { return std::getenv(name); }

class CudaBackend : public testing::Test {
 protected:
  static const gems_backend* backend;
  static FakeCuda* fake;
  static void SetUpTestSuite() {
    void* cuda = dlopen(GEMS_FAKE_CUDA, RTLD_NOW | RTLD_GLOBAL);
    ASSERT_NE(cuda, nullptr) << dlerror();
    fake = reinterpret_cast<FakeCuda* (*)()>(dlsym(cuda, "fake_cuda"))();
    void* lib = dlopen(GEMS_LIB_DIR "/libgems_cuda.so", RTLD_NOW | RTLD_LOCAL);
    ASSERT_NE(lib, nullptr) << dlerror();
    static gems_host host{};
    host.abi_version = GEMS_ABI_VERSION;
    host.cache_load = cache_load;
    host.cache_store = cache_store;
    host.cache_begin = cache_begin;
    host.cache_end = cache_end;
    host.cache_made_by = cache_made_by;
    host.pack_maker = pack_maker;
    host.source = source;
    host.source_name = source_name;
    host.log = log_line;
    host.setting = read_setting;
    host.only_kernel = [] { return g_only_kernel; };
    backend = reinterpret_cast<gems_backend_entry_fn>(dlsym(lib, "gems_backend_entry"))(&host);
    ASSERT_NE(backend, nullptr);
  }
  void TearDown() override {
    backend->jit_mode(GEMS_JIT_SYNC);
    g_makers.clear();
  }
  void SetUp() override {
    const char* dirs = std::getenv("GEMS_NVRTC_DIRS");
    backend->jit_mode(GEMS_JIT_SYNC);
    Call probe("add", 16);
    if (backend->run(&probe.c) != GEMS_OK && std::strstr(backend->last_error(), "libnvrtc"))
      GTEST_SKIP() << backend->last_error() << (dirs ? dirs : "");
  }
  struct Call {
    gems_call c{};
    int64_t size, stride = 1;
    explicit Call(const char* op, int64_t n, int device = 0) : size(n) {
      c.op = op_find(op);
      c.nout = 1;
      c.nin = c.op->in;
      c.npar = c.op->par;
      c.compute = GEMS_F32;
      for (int i = 0; i < c.npar; i++) c.par[i].d = 1;
      c.stream = reinterpret_cast<void*>(0x77);
      for (int k = 0; k <= c.nin; k++) {
        gems_tensor& t = c.t[k];
        t.data = reinterpret_cast<void*>((uintptr_t)(k + 1) << 32);
        t.sizes = &size;
        t.strides = &stride;
        t.numel = n;
        t.ndim = 1;
        t.dtype = GEMS_BF16;
        t.device_type = GEMS_CUDA;
        t.device_index = (int8_t)device;
        t.flags = GEMS_T_CONTIGUOUS;
      }
      build_pointwise(c);
    }
  };
};
const gems_backend* CudaBackend::backend;
FakeCuda* CudaBackend::fake;

TEST_F(CudaBackend, CompilesOnceAndLaunchesOnTheCallsStream) {
  Call a("mul", 1000);
  const int modules = fake->modules, launches = fake->launches;
  ASSERT_EQ(backend->run(&a.c), GEMS_OK) << backend->last_error();
  ASSERT_EQ(backend->run(&a.c), GEMS_OK);
  Call longer("mul", 1 << 20);
  ASSERT_EQ(backend->run(&longer.c), GEMS_OK);
  EXPECT_EQ(fake->modules - modules, 1);
  EXPECT_EQ(fake->launches - launches, 3);
  EXPECT_EQ(fake->last.stream, a.c.stream);
  EXPECT_EQ(fake->last.block, 256u);
  EXPECT_EQ(fake->last.gx, (1u << 20) / 8 / 256);  // 8 bfloat16 a vector; small for 132 multiprocessors: one a thread
  EXPECT_NE(std::strstr(backend->describe(), "Fake GPU, sm_90, NVRTC "), nullptr) << backend->describe();
}

TEST_F(CudaBackend, LaunchesOverlapWhereTheDriverCan) {
  Call a("erf", 1000);
  ASSERT_EQ(backend->run(&a.c), GEMS_OK) << backend->last_error();
  EXPECT_TRUE(fake->last.overlaps);
  EXPECT_EQ(fake->last.stream, a.c.stream);
  EXPECT_EQ(fake->last.block, 256u);
  EXPECT_EQ(fake->last.gx, 1u);
  fake->overlap_error = 801;  // not supported: launched plainly, now and later
  const int launches = fake->launches;
  EXPECT_EQ(backend->run(&a.c), GEMS_OK);
  EXPECT_FALSE(fake->last.overlaps);
  fake->overlap_error = 0;
  EXPECT_EQ(backend->run(&a.c), GEMS_OK);
  EXPECT_FALSE(fake->last.overlaps);
  EXPECT_EQ(fake->launches - launches, 2);
}

TEST_F(CudaBackend, SecondDeviceTakesTheKernelFromTheCache) {
  Call first("sub", 100), second("sub", 100, 1);
  ASSERT_EQ(backend->run(&first.c), GEMS_OK);
  const int stores = g_stores, loads = g_loads;
  ASSERT_EQ(backend->run(&second.c), GEMS_OK) << backend->last_error();
  EXPECT_EQ(g_stores, stores);
  EXPECT_EQ(g_loads, loads + 1);
  EXPECT_EQ(fake->last.context, reinterpret_cast<void*>(0x101));
}

TEST_F(CudaBackend, DamagedCacheEntryIsRebuilt) {
  Call first("exp", 100), second("exp", 100, 1);
  ASSERT_EQ(backend->run(&first.c), GEMS_OK);
  const int stores = g_stores;
  fake->refuse_images = 1;
  ASSERT_EQ(backend->run(&second.c), GEMS_OK) << backend->last_error();
  EXPECT_EQ(g_stores, stores + 1);
}

TEST_F(CudaBackend, ACompileIsATurn) {
  g_turns.clear();
  Call a("ceil", 100);
  ASSERT_EQ(backend->run(&a.c), GEMS_OK) << backend->last_error();
  ASSERT_EQ(g_turns.size(), 2u);
  const std::string key = g_turns[0].substr(6);
  EXPECT_EQ(key.size(), 64u);
  EXPECT_EQ(g_turns[1], "end " + key);
  EXPECT_EQ(g_cache.count(key), 1u);
  Call b("ceil", 100, 1);  // another device of the same architecture: from the cache, no turn
  ASSERT_EQ(backend->run(&b.c), GEMS_OK);
  EXPECT_EQ(g_turns.size(), 2u);
  // Another process compiles it meanwhile: its result is taken, nothing is compiled or stored.
  const int stores = g_stores;
  g_stored_while_waiting = g_cache[key];
  Call c("trunc", 100);
  ASSERT_EQ(backend->run(&c.c), GEMS_OK) << backend->last_error();
  EXPECT_EQ(g_stores, stores);
  ASSERT_EQ(g_turns.size(), 3u);
  // One that doesn't compile ends its turn too.
  static gems_op_info broken = *op_find("relu");
  broken.name = "no_such_operator_either";
  broken.header = "ops/pointwise/none.op.h";
  broken.id = 4001;
  Call d("relu", 100);
  d.c.op = &broken;
  EXPECT_EQ(backend->run(&d.c), GEMS_UNSUPPORTED);
  ASSERT_EQ(g_turns.size(), 5u);
  EXPECT_EQ(g_turns[4], "end " + g_turns[3].substr(6));
  const std::string why = backend->last_error();
  if (const size_t at = why.find("unit: /"); at != std::string::npos) std::remove(why.substr(at + 6).c_str());
}

TEST_F(CudaBackend, OffTakesOnlyWhatIsCached) {
  Call first("log2", 100), second("log2", 100, 1), other("log10", 100);
  ASSERT_EQ(backend->run(&first.c), GEMS_OK) << backend->last_error();
  backend->jit_mode(GEMS_JIT_OFF);
  g_turns.clear();
  EXPECT_EQ(backend->run(&second.c), GEMS_OK) << backend->last_error();
  EXPECT_EQ(backend->run(&other.c), GEMS_UNSUPPORTED);
  EXPECT_NE(std::strstr(backend->last_error(), "GEMS_JIT=off"), nullptr) << backend->last_error();
  EXPECT_TRUE(g_turns.empty());
}

TEST_F(CudaBackend, NothingIsCompiledDuringCapture) {
  Call a("silu", 100);
  fake->capturing = 1;
  EXPECT_EQ(backend->run(&a.c), GEMS_UNSUPPORTED);
  EXPECT_NE(std::strstr(backend->last_error(), "captured"), nullptr);
  fake->capturing = 0;
  ASSERT_EQ(backend->run(&a.c), GEMS_OK);
  fake->capturing = 1;
  EXPECT_EQ(backend->run(&a.c), GEMS_OK);  // compiled: may be captured
  fake->capturing = 0;
}

TEST_F(CudaBackend, TheCallersContextComesBack) {
  auto set = reinterpret_cast<int (*)(void*)>(dlsym(RTLD_DEFAULT, "cuCtxSetCurrent"));
  auto get = reinterpret_cast<int (*)(void**)>(dlsym(RTLD_DEFAULT, "cuCtxGetCurrent"));
  Call a("add", 100, 1);
  void* mine = reinterpret_cast<void*>(0x100);
  set(mine);
  ASSERT_EQ(backend->run(&a.c), GEMS_OK);
  EXPECT_EQ(fake->last.context, reinterpret_cast<void*>(0x101));
  void* now = nullptr;
  get(&now);
  EXPECT_EQ(now, mine);
}

TEST_F(CudaBackend, RefusedLaunchRetiresTheKernel) {
  Call a("tanh", 100);
  ASSERT_EQ(backend->run(&a.c), GEMS_OK);
  fake->launch_error = 700;  // an earlier kernel's error isn't this one's fault
  EXPECT_EQ(backend->run(&a.c), GEMS_FAILED);
  EXPECT_NE(std::strstr(backend->last_error(), "CUDA_ERROR_ILLEGAL_ADDRESS"), nullptr) << backend->last_error();
  fake->launch_error = 1;
  const size_t lines = g_log.size();
  EXPECT_EQ(backend->run(&a.c), GEMS_UNSUPPORTED);
  fake->launch_error = 0;
  EXPECT_EQ(backend->run(&a.c), GEMS_UNSUPPORTED);
  EXPECT_NE(std::strstr(backend->last_error(), "retired"), nullptr);
  EXPECT_EQ(g_log.size(), lines + 1);
}

TEST_F(CudaBackend, KernelThatDoesNotCompileIsReportedOnce) {
  static gems_op_info broken = *op_find("relu");
  broken.name = "no_such_operator";
  broken.id = 4000;
  Call a("relu", 100);
  a.c.op = &broken;
  const size_t lines = g_log.size();
  EXPECT_EQ(backend->run(&a.c), GEMS_UNSUPPORTED);
  const std::string why = backend->last_error();
  EXPECT_NE(why.find("no_such_operator on sm_90a: NVRTC "), std::string::npos) << why;
  const size_t at = why.find("unit: /");
  ASSERT_NE(at, std::string::npos) << why;
  const std::string path = why.substr(at + 6);
  FILE* f = std::fopen(path.c_str(), "r");
  EXPECT_NE(f, nullptr) << path;
  if (f) std::fclose(f);
  std::remove(path.c_str());
  EXPECT_EQ(backend->run(&a.c), GEMS_UNSUPPORTED);
  EXPECT_EQ(g_log.size(), lines + 1);
}

TEST_F(CudaBackend, ThreadsCompileAKernelOnce) {
  const int modules = fake->modules;
  std::vector<std::thread> threads;
  std::atomic<int> ok{0};
  for (int t = 0; t < 8; t++)
    threads.emplace_back([&] {
      for (const char* op : {"cos", "sin", "sqrt", "floor"}) {
        Call a(op, 100);
        ok += backend->run(&a.c) == GEMS_OK;
      }
    });
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(ok, 32);
  EXPECT_EQ(fake->modules - modules, 4);
}

TEST_F(CudaBackend, AsyncCallsDontWait) {
  backend->jit_mode(GEMS_JIT_ASYNC);
  const int modules = fake->modules, launches = fake->launches;
  Call warm("add", 16);
  const auto us = [&](Call& a) {
    const auto start = std::chrono::steady_clock::now();
    EXPECT_EQ(backend->run(&a.c), GEMS_UNSUPPORTED);
    return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
  };
  std::vector<double> times;
  for (const char* op : {"exp2", "log1p", "expm1", "sign", "tan", "sigmoid", "round"}) {
    Call a(op, 100);
    times.push_back(us(a));
    EXPECT_NE(std::strstr(backend->last_error(), "being compiled"), nullptr) << backend->last_error();
  }
  EXPECT_EQ(fake->launches, launches);
  std::sort(times.begin(), times.end());
  std::printf("a call that leaves its kernel to the pool: %.1f us (median)\n", times[times.size() / 2]);
  EXPECT_LT(times[times.size() / 2], 5000);  // a compilation takes 50,000
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(backend->jit_pending(60), 0);
  std::printf("7 kernels: %.0f ms\n",
              std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  EXPECT_EQ(fake->modules - modules, 7);
  EXPECT_EQ(fake->launches, launches);  // building launches nothing
  Call a("exp2", 100);
  EXPECT_EQ(backend->run(&a.c), GEMS_OK) << backend->last_error();
  EXPECT_EQ(fake->launches, launches + 1);
  EXPECT_TRUE(fake->last.overlaps);  // as a kernel that was compiled in its call
}

TEST_F(CudaBackend, AsyncOpensADeviceBesideTheCalls) {
  backend->jit_mode(GEMS_JIT_ASYNC);
  const int retained = fake->retained;
  Call a("abs", 100, 2), b("neg", 100, 2);  // a device that no other test uses
  EXPECT_EQ(backend->run(&a.c), GEMS_UNSUPPORTED);
  EXPECT_EQ(backend->run(&b.c), GEMS_UNSUPPORTED);
  EXPECT_EQ(backend->jit_pending(60), 0);
  EXPECT_EQ(fake->retained - retained, 1);
  EXPECT_EQ(backend->run(&a.c), GEMS_OK) << backend->last_error();  // what came before it was open was built too
  EXPECT_EQ(backend->run(&b.c), GEMS_OK) << backend->last_error();
}

TEST_F(CudaBackend, AsyncBuildsEveryKernelOfACall) {
  backend->jit_mode(GEMS_JIT_ASYNC);
  const int64_t n = 1 << 22;
  Call a("sum", n);
  a.c.nin = 1;
  a.c.t[1].dtype = a.c.t[0].dtype = GEMS_F32;
  Reduction all;
  all.dims = 1;
  OutMeta meta[3];
  ASSERT_EQ(plan_reduce(a.c, all, GEMS_F32, meta), Plan::ok) << plan_reason();
  a.c.t[0].ndim = 0;
  a.c.t[0].numel = 1;
  ASSERT_EQ(build_reduce(a.c, all, false), Plan::ok);
  const int modules = fake->modules;
  EXPECT_EQ(backend->run(&a.c), GEMS_UNSUPPORTED);
  EXPECT_EQ(backend->jit_pending(60), 0);
  EXPECT_EQ(fake->modules - modules, 2);  // partial results, and their sum
}

TEST_F(CudaBackend, AsyncCallsWithoutANativeKernelWait) {
  backend->jit_mode(GEMS_JIT_ASYNC);
  Call a("logical_not", 100);
  EXPECT_EQ(backend->run(&a.c), GEMS_UNSUPPORTED);  // left to the pool
  g_only_kernel = 1;
  EXPECT_EQ(backend->run(&a.c), GEMS_OK) << backend->last_error();  // whether the pool has begun with it or not
  Call b("rsqrt", 100);
  EXPECT_EQ(backend->run(&b.c), GEMS_OK) << backend->last_error();
  g_only_kernel = 0;
}

TEST_F(CudaBackend, AsyncLeavesCapturesAlone) {
  backend->jit_mode(GEMS_JIT_ASYNC);
  Call a("reciprocal", 100);
  fake->capturing = 1;
  const int modules = fake->modules;
  EXPECT_EQ(backend->run(&a.c), GEMS_UNSUPPORTED);
  EXPECT_NE(std::strstr(backend->last_error(), "captured"), nullptr);
  EXPECT_EQ(backend->jit_pending(10), 0);
  EXPECT_EQ(fake->modules, modules);
  fake->capturing = 0;
  EXPECT_EQ(backend->run(&a.c), GEMS_UNSUPPORTED);
  EXPECT_EQ(backend->jit_pending(60), 0);
  fake->capturing = 1;
  EXPECT_EQ(backend->run(&a.c), GEMS_OK);
  fake->capturing = 0;
}

// A pack of another NVRTC: its key comes after our own, before a compile; notes for other chips and of others are passed over.
TEST_F(CudaBackend, PacksOfAnotherCompilerServe) {
  Call first("abs", 100), second("abs", 100, 1);
  ASSERT_EQ(backend->run(&first.c), GEMS_OK) << backend->last_error();
  EXPECT_EQ(g_made_by.rfind("nvrtc-", 0), 0u) << g_made_by;
  EXPECT_EQ(g_made_by.substr(g_made_by.rfind('-')), "-sm_90a");
  const std::string own = g_asked.back(), binary = g_cache[own];
  g_cache.erase(own);
  g_makers = {"nvrtc-1.0-sm_80", "nvrtc-1.0-sm_90a", "other", "nvrtc-1.0-compute_80", g_made_by};
  backend->jit_mode(GEMS_JIT_OFF);
  g_asked.clear();
  EXPECT_EQ(backend->run(&second.c), GEMS_UNSUPPORTED);  // learns the keys: own, sm_90a, PTX
  ASSERT_EQ(g_asked.size(), 3u);
  EXPECT_EQ(g_asked[0], own);
  EXPECT_NE(g_asked[1], own);
  EXPECT_NE(g_asked[2], g_asked[1]);
  // That failure is remembered on both devices by now: another operator of the same text has the same keys.
  static gems_op_info twin = *op_find("abs");
  twin.id = 4100;
  g_cache[g_asked[1]] = binary;
  second.c.op = &twin;
  g_turns.clear();
  EXPECT_EQ(backend->run(&second.c), GEMS_OK) << backend->last_error();
  EXPECT_TRUE(g_turns.empty());
  g_cache.erase(g_asked[1]);
}

TEST_F(CudaBackend, AsyncLooksIntoPacksAtOnce) {
  Call first("rsqrt", 100), second("rsqrt", 100, 1), other("log", 100, 1);
  ASSERT_EQ(backend->run(&first.c), GEMS_OK) << backend->last_error();
  g_makers = {g_made_by};
  backend->jit_mode(GEMS_JIT_ASYNC);
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(backend->run(&second.c), GEMS_OK) << backend->last_error();
  std::printf("a first call that finds its kernel in a pack: %.2f ms\n",
              std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  EXPECT_EQ(backend->run(&other.c), GEMS_UNSUPPORTED);
  EXPECT_NE(std::strstr(backend->last_error(), "being compiled"), nullptr) << backend->last_error();
  EXPECT_EQ(backend->run(&other.c), GEMS_UNSUPPORTED);
  EXPECT_EQ(backend->jit_pending(60), 0);
  EXPECT_EQ(backend->run(&other.c), GEMS_OK) << backend->last_error();
}

TEST_F(CudaBackend, TargetsNeedNoDevice) {
  static std::mutex lock;
  static std::vector<std::pair<std::string, int>> seen;
  const auto report = +[](const gems_planned* p) {
    std::lock_guard<std::mutex> guard(lock);
    seen.emplace_back(p->key, p->state);
  };
  EXPECT_EQ(backend->target("sm_99", 0, report), 0);
  EXPECT_NE(std::strstr(backend->last_error(), "sm_90a"), nullptr) << backend->last_error();
  Call planned("maximum", 1000, GEMS_PLANNED_DEVICE), real("maximum", 1000), busy("add", 16);
  const int launches = fake->launches, modules = fake->modules;
  ASSERT_GE(backend->target("sm_90a", 0, report), 2);
  EXPECT_EQ(backend->run(&planned.c), GEMS_OK) << backend->last_error();
  EXPECT_EQ(backend->run(&planned.c), GEMS_OK);
  EXPECT_EQ(fake->launches, launches);
  EXPECT_EQ(backend->run(&busy.c), GEMS_OK);  // a real device goes on working
  EXPECT_EQ(fake->launches, launches + 1);
  EXPECT_EQ(backend->jit_pending(60), 0);
  backend->target(nullptr, 0, report);
  ASSERT_EQ(seen.size(), 3u);  // asked for twice, compiled once
  const std::string key = seen[0].first;
  EXPECT_EQ(std::count(seen.begin(), seen.end(), std::make_pair(key, 0)), 2);
  EXPECT_EQ(std::count(seen.begin(), seen.end(), std::make_pair(key, 2)), 1);
  EXPECT_EQ(backend->run(&planned.c), GEMS_UNSUPPORTED);  // over
  g_turns.clear();
  EXPECT_EQ(backend->run(&real.c), GEMS_OK) << backend->last_error();  // the real device finds it
  EXPECT_TRUE(g_turns.empty());
  EXPECT_EQ(fake->modules, modules + 1);
}

TEST_F(CudaBackend, TableGrows) {
  static std::vector<gems_op_info> ops(200, *op_find("neg"));  // one text, 200 keys
  const int modules = fake->modules;
  for (int round = 0; round < 2; round++)
    for (int i = 0; i < 200; i++) {
      ops[i].id = 5000 + i;
      Call a("neg", 100);
      a.c.op = &ops[i];
      ASSERT_EQ(backend->run(&a.c), GEMS_OK);
    }
  EXPECT_EQ(fake->modules - modules, 200);
}

TEST_F(CudaBackend, OtherDevicesAndDtypesAreUnsupported) {
  Call a("add", 100);
  a.c.t[2].device_type = GEMS_CPU;
  EXPECT_EQ(backend->run(&a.c), GEMS_UNSUPPORTED);
  Call b("add", 100);
  b.c.t[1].dtype = GEMS_C64;
  EXPECT_EQ(backend->run(&b.c), GEMS_UNSUPPORTED);
}

// Prints the cost, asserts nothing about it: the machine is shared.
TEST_F(CudaBackend, HostCostOfAWarmCall) {
  const auto measure = [&](const char* name, Call& a) {
    ASSERT_EQ(backend->run(&a.c), GEMS_OK) << backend->last_error();
    double best = 1e9;
    for (int r = 0; r < 20; r++) {
      const auto start = std::chrono::steady_clock::now();
      for (int i = 0; i < 10000; i++) backend->run(&a.c);
      best = std::min(best, std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count() / 10000);
    }
    std::printf("%s: %.0f ns a call\n", name, best);
  };
  dlsym(RTLD_DEFAULT, "cuCtxSetCurrent");
  reinterpret_cast<int (*)(void*)>(dlsym(RTLD_DEFAULT, "cuCtxSetCurrent"))(reinterpret_cast<void*>(0x100));
  Call add("add", 16), silu("silu", 16);
  measure("add, contiguous", add);
  measure("silu, contiguous", silu);
  const int64_t sizes[2] = {64, 4096}, dense[2] = {4096, 1}, row[2] = {0, 1};
  Call wide("add", 64 * 4096);
  for (int k = 0; k < 3; k++)
    wide.c.t[k].sizes = sizes, wide.c.t[k].strides = k == 2 ? row : dense, wide.c.t[k].ndim = 2, wide.c.t[k].flags = 0;
  ASSERT_EQ(build_pointwise(wide.c), Plan::ok);
  measure("add, broadcast row", wide);
}

}  // namespace
}  // namespace gems
