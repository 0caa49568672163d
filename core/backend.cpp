#include "core/backend.h"

#include <dlfcn.h>
#include <pthread.h>

#include <cstdlib>
#include <cstring>

#include "core/cache/kernel_cache.h"
#include "core/jit/embedded.h"
#include "core/jit/source_folder.h"
#include "core/registry.h"
#include "core/tune/choices.h"
#include "core/tune/online.h"

namespace gems {
namespace {

constexpr int kDeviceTypes = 32;
Framework g_framework;
std::atomic<const gems_backend*> g_backend[kDeviceTypes];  // usable ones, by device type
std::vector<const gems_backend*>& all_backends() {
  static auto* v = new std::vector<const gems_backend*>;
  return *v;
}
std::atomic<bool> g_forked{false};
thread_local const char* t_error = "";
thread_local bool t_serial = false;                    // kCandidateSerial
thread_local int t_only_kernel = 0;                    // living OnlyKernel objects
thread_local const gems_backend* t_planner = nullptr;  // plan_for()

void host_parallel_for(int64_t n, int64_t grain, void (*fn)(void*, int64_t, int64_t), void* ctx) {
  if (n <= 0) return;
  // OpenMP regions hang in a forked child (torch's operators too), so children run serially.
  if (n <= grain || !g_framework.parallel_for || t_serial || g_forked.load(std::memory_order_relaxed)) fn(ctx, 0, n);
  else g_framework.parallel_for(n, grain, fn, ctx);
}
int host_num_threads() {
  return g_framework.num_threads && !t_serial && !g_forked.load(std::memory_order_relaxed) ? g_framework.num_threads() : 1;
}
void* host_scratch(int type, int index, size_t bytes, void* stream, void** handle) {
  if (g_framework.scratch) return g_framework.scratch(type, index, bytes, stream, handle);
  if (type != GEMS_CPU) return nullptr;
  return *handle = std::aligned_alloc(64, (bytes + 63) / 64 * 64);
}
void host_scratch_free(void* handle) {
  if (g_framework.scratch_free) g_framework.scratch_free(handle);
  else std::free(handle);
}
const char* host_source(const char* name) {
  // GEMS_KERNEL_DIR=<checkout>: kernel texts from a source tree instead of the embedded ones, for kernel development.
  if (const char* dir = setting("GEMS_KERNEL_DIR")) return source_from_directory(dir, name);
  for (int i = 0; i < kEmbeddedCount; i++)
    if (std::strcmp(kEmbedded[i].name, name) == 0) return kEmbedded[i].text;
  return nullptr;
}
const char* host_source_name(int i) { return i >= 0 && i < kEmbeddedCount ? kEmbedded[i].name : nullptr; }
void host_log(int level, const char* text) { log(level, text); }

int host_only_kernel() { return t_only_kernel; }

const gems_host g_host = {
    GEMS_ABI_VERSION, host_parallel_for, host_num_threads, host_scratch,     host_scratch_free, cache_load,
    cache_store,      host_source,       host_source_name, host_log,         setting,           cache_begin,
    cache_end,        cache_made_by,     pack_maker,       host_only_kernel,
};

}  // namespace

void set_framework(const Framework& f) { g_framework = f; }
int framework_threads() { return host_num_threads(); }

bool load_backend(const char* path) {
  static const int once = pthread_atfork(nullptr, nullptr, [] { g_forked.store(true, std::memory_order_relaxed); });
  (void)once;
  void* handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!handle) {
    log(2, std::string("backend not loaded: ") + dlerror());
    return false;
  }
  auto entry = reinterpret_cast<gems_backend_entry_fn>(dlsym(handle, "gems_backend_entry"));
  const gems_backend* b = entry ? entry(&g_host) : nullptr;
  if (!b || b->abi_version != GEMS_ABI_VERSION || b->device_type < 0 || b->device_type >= kDeviceTypes) {
    log(2, std::string("backend not loaded: ") + path + " has no entry of ABI version " + std::to_string(GEMS_ABI_VERSION));
    return false;
  }
  if (b->op_table && std::strcmp(b->op_table, op_table_hash()) != 0) {
    log(2, std::string("backend not loaded: ") + path + " was built with another operator table; rebuild the library");
    return false;
  }
  all_backends().push_back(b);
  const gems_backend* now = g_backend[b->device_type].load();
  const int score = b->score();
  if (score > 0 && (!now || score > now->score())) g_backend[b->device_type].store(b);
  return true;
}

const gems_backend* backend_for(int type) {
  const gems_backend* b = type >= 0 && type < kDeviceTypes ? g_backend[type].load(std::memory_order_acquire) : nullptr;
  if (__builtin_expect(b != nullptr, 1)) return b;
  return t_planner && t_planner->device_type == type ? t_planner : nullptr;
}
std::vector<const gems_backend*> loaded_backends() { return all_backends(); }

int plan_for(const char* arch, int model, void (*report)(const gems_planned*)) {
  t_planner = nullptr;
  t_error = "no backend compiles for other machines";
  for (const gems_backend* b : all_backends()) {
    if (!b->target) continue;
    const int models = b->target(arch, model, report);
    if (models > 0) {
      t_planner = b;
      t_error = "";
      return models;
    }
    t_error = b->last_error();
  }
  return 0;
}

static inline gems_status run_candidate(gems_call& call, const gems_backend* b) {
  if (__builtin_expect(call.candidate == kCandidateNative, 0)) {
    t_error = "measured: the native kernel is faster here";
    return GEMS_UNSUPPORTED;
  }
  if (!b) {
    t_error = "no backend for this device";
    return GEMS_UNSUPPORTED;
  }
  gems_status s;
  if (__builtin_expect(call.candidate == kCandidateSerial, 0)) {
    t_serial = true;
    call.candidate = kCandidateOwn;
    s = b->run(&call);
    t_serial = false;
  } else {
    s = b->run(&call);
  }
  if (s == GEMS_OK) call_counter().fetch_add(1, std::memory_order_relaxed);
  else t_error = b->last_error();
  return s;
}

// While tuning: forced, decided, or one of the candidates that are being measured.
static gems_status run_watched(gems_call& call, const gems_backend* b) {
  call.candidate = watched_candidate(call);
  if (call.candidate != kCandidateNone) return run_candidate(call, b);
  OnlineSample sample;
  // Nothing is measured on a machine that isn't here.
  const int16_t candidate = call.candidate = t_planner ? int16_t{kCandidateAuto} : online_begin(call, b, sample);
  const gems_status s = run_candidate(call, b);
  if (!sample.bucket) return s;
  if (candidate == kCandidateNative) {
    t_error = "measured: the native kernel's turn";
    online_park(sample);
  } else {
    online_end(sample, s);
  }
  return s;
}

gems_status run(gems_call& call) {
  const gems_backend* b = backend_for(call.t[0].device_type);
  if (__builtin_expect(tuning_watches(), 0)) return run_watched(call, b);
  call.candidate = choice_for(call);
  return run_candidate(call, b);
}

const char* last_error() { return t_error; }
OnlyKernel::OnlyKernel() { t_only_kernel++; }
OnlyKernel::~OnlyKernel() { t_only_kernel--; }

std::atomic<int64_t>& call_counter() {
  static std::atomic<int64_t> n{0};
  return n;
}

bool in_forked_child() { return g_forked.load(std::memory_order_relaxed); }

}  // namespace gems
