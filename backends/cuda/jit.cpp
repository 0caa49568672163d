// Devices, kernel tables, run-time compilation and launch: what jit.h promises.
#include "backends/cuda/jit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>

#include "backends/cuda/internal.h"

namespace gems::cuda {
namespace {

constexpr int kMaxDevices = 64;
constexpr const char* kRetired = "this kernel failed before and is retired";
constexpr const char* kPending = "this kernel is being compiled";
std::atomic<DeviceState*> g_devices[kMaxDevices];
std::mutex g_attach;

const Device* no_device(const char* what, CUresult r) {
  failed(std::string(what) + ": " + driver().name(r));
  return nullptr;
}

// May this thread's call run natively now, and on our kernel later?
bool may_defer() {
  const ThreadState& t = thread_state();
  return jit_mode(-1) == GEMS_JIT_ASYNC && !t.check && !t.probe && t.call && !collecting(t.call) &&
         !(host().only_kernel && host().only_kernel());
}

// Cold: the first call on a device. Attaches to the primary context that the framework made (or makes it).
DeviceState* attach(int index) {
  ThreadState& t = thread_state();
  if (t.check && index == kCheckDevice) return t.check->device;
  if (t.probe && index == kProbeDevice) return t.probe->device;
  const Driver& d = driver();
  if (!d.ok) {
    unsupported(d.why);
    return nullptr;
  }
  if (index < 0 || index >= kMaxDevices) {
    unsupported("not a CUDA device index");
    return nullptr;
  }
  std::lock_guard<std::mutex> guard(g_attach);
  if (DeviceState* s = g_devices[index].load(std::memory_order_relaxed)) return s;
  auto s = std::make_unique<DeviceState>();
  if (CUresult r = d.cuInit(0)) return no_device("cuInit", r), nullptr;
  if (CUresult r = d.cuDeviceGet(&s->handle, index)) return no_device("cuDeviceGet", r), nullptr;
  if (CUresult r = d.cuDevicePrimaryCtxRetain(&s->context, s->handle)) return no_device("cuDevicePrimaryCtxRetain", r), nullptr;
  s->index = index;
  const struct {
    int attribute;
    int* to;
  } wanted[] = {{CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, &s->cc_major},
                {CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, &s->cc_minor},
                {CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, &s->sm_count},
                {CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE, &s->l2_bytes},
                {CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR, &s->threads_per_sm},
                {CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, &s->max_smem_per_block},
                {CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR, &s->max_smem_per_sm}};
  for (const auto& w : wanted)
    if (CUresult r = d.cuDeviceGetAttribute(w.to, w.attribute, s->handle)) return no_device("cuDeviceGetAttribute", r), nullptr;
  // Hopper's programmatic dependent launch; CUDA graphs take it from 12.3.
  int version = 0;
  if (d.cuDriverGetVersion) d.cuDriverGetVersion(&version);
  const char* wish = host().setting ? host().setting("GEMS_OVERLAP") : nullptr;
  s->overlaps = s->cc_major >= 9 && version >= 12030 && d.cuLaunchKernelEx && !(wish && !strcmp(wish, "0"));
  char name[256] = "";
  d.cuDeviceGetName(name, sizeof name, s->handle);
  s->name = name;
  g_devices[index].store(s.get(), std::memory_order_release);
  return s.release();
}

// The kernel module's version, "580.159.04", which nvidia-smi shows too; where the file is missing, the CUDA version it offers.
std::string driver_version() {
  std::string text(4096, 0);
  const int fd = open("/proc/driver/nvidia/version", O_RDONLY | O_CLOEXEC);
  const ssize_t n = fd >= 0 ? read(fd, text.data(), text.size()) : 0;
  if (fd >= 0) close(fd);
  text.resize(n > 0 ? (size_t)n : 0);
  // "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.159.04  Release Build ...": the first word like 1.2
  for (size_t at = text.find("Module"); at < text.size() && text[at] != '\n';) {
    const size_t end = std::min(text.find_first_of(" \t\n", at), text.size());
    const std::string word = text.substr(at, end - at);
    if (!word.empty() && word.find_first_not_of("0123456789.") == std::string::npos && word.find('.') != std::string::npos)
      return word;
    at = end + 1;
  }
  int version = 0;
  if (driver().cuDriverGetVersion) driver().cuDriverGetVersion(&version);
  return "CUDA " + std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

// GEMS_JIT=off: the first kernel that is missing is a warning, the others are counted and named at the debug level only.
std::string report_missing(const std::string& what) {
  static std::atomic<int> count{0};
  static pid_t process = 0;
  const std::string text = "GEMS_JIT=off: " + what + "; the native kernel runs";
  if (count.fetch_add(1) == 0) {
    process = getpid();
    if (host().log)
      host().log(
          2, (text + ", also for others that are missing: how many is said at the end, which at GEMS_LOG_LEVEL=0. Remedy: a pack "
                     "with them (flag-gems pretune, docs/pretuning.md), or GEMS_JIT=async or sync")
                 .c_str());
    atexit([] {
      const int n = count.load();
      if (n > 1 && process == getpid() && host().log)
        host().log(2, ("GEMS_JIT=off: " + std::to_string(n) +
                       " kernels were in neither the kernel cache nor a pack, their calls ran "
                       "natively. Remedy: flag-gems pretune with the shapes of this run")
                          .c_str());
    });
  } else if (host().log) {
    host().log(0, text.c_str());
  }
  return text;
}

}  // namespace

// ---- jit.h ----

bool capturing(const gems_call* call) {
  int status = CU_STREAM_CAPTURE_STATUS_NONE;
  // An error means that another stream's capture forbids the question: the same answer.
  return driver().cuStreamIsCapturing((CUstream)call->stream, &status) != CUDA_SUCCESS || status != CU_STREAM_CAPTURE_STATUS_NONE;
}

const Device* device_of(const gems_call* call) {
  const unsigned index = (unsigned char)call->t[0].device_index;
  DeviceState* s = index < kMaxDevices ? g_devices[index].load(std::memory_order_acquire) : nullptr;
  if (__builtin_expect(!s, 0)) {
    // The driver's first answers take 2 to 20 ms: a call that needn't wait for a kernel doesn't wait for them either.
    if (index < kMaxDevices && may_defer() && !pack_maker(0)) {
      static std::atomic<int> left{4096};  // calls that come before the answers: kernels of these are built all the same
      if (left.fetch_sub(1, std::memory_order_relaxed) > 0) enqueue(*call);
      unsupported("the first calls on this device: it is being opened");
      return nullptr;
    }
    s = attach((int)index);
    if (!s) return nullptr;
    if (index >= kMaxDevices) return s;  // of a check or a probe
  }
  const Driver& d = driver();
  CUcontext current = nullptr;
  d.cuCtxGetCurrent(&current);
  if (__builtin_expect(current != s->context, 0)) {
    if (CUresult r = d.cuCtxSetCurrent(s->context)) return no_device("cuCtxSetCurrent", r);
    ThreadState& t = thread_state();
    if (current && !t.restore) t.restore = current;  // run() gives the caller's device back
  }
  return s;
}

const DeviceState* device_state(int index) {
  DeviceState* s = index < kMaxDevices ? g_devices[index].load(std::memory_order_acquire) : nullptr;
  return s ? s : attach(index);
}

const Kernel* find_kernel(const Device* dev, const KernelKey& key) {
  const OwnedKernel* k = static_cast<const DeviceState*>(dev)->kernels.find(key);
  // acquire: a kernel that was pending gets its other members before its function
  return k && __atomic_load_n(&k->function, __ATOMIC_ACQUIRE) ? k : nullptr;
}

static void leave_to_pool(DeviceState* s, const KernelKey& key, const gems_call& call) {
  auto k = std::make_unique<OwnedKernel>();
  k->pending.store(true, std::memory_order_relaxed);
  bool mine;
  {
    std::lock_guard<std::mutex> guard(s->lock);
    if ((mine = !s->kernels.find(key))) s->kernels.insert(key, k.release());
  }
  // Without a pool the kernel stays pending, that is native, for the rest of this process.
  if (mine) enqueue(call);
  unsupported(kPending);
}

bool deferred(const Device* dev, const KernelKey& key) {
  if (!may_defer()) return false;
  const ThreadState& t = thread_state();
  auto* s = const_cast<DeviceState*>(static_cast<const DeviceState*>(dev));
  if (const OwnedKernel* k = s->kernels.find(key)) {
    unsupported(k->pending.load(std::memory_order_relaxed) ? kPending : kRetired);
    return true;
  }
  if (capturing(t.call)) {
    unsupported("the stream is being captured and this kernel isn't compiled yet");
    return true;
  }
  if (pack_maker(0)) return false;  // build_kernel() looks there: 0.5 ms, and a complete pack serves the first call already
  leave_to_pool(s, key, *t.call);
  return true;
}

const Kernel* build_kernel(const Device* dev, const KernelKey& key, const KernelSource& src) {
  ThreadState& t = thread_state();
  auto* s = const_cast<DeviceState*>(static_cast<const DeviceState*>(dev));
  if (t.probe) {
    t.probe->kernels.emplace_back().key = key;
    return &t.probe->kernels.back();
  }
  if (t.check && dev == t.check->device) {
    t.check->on_kernel(t.check, src, unit_text(src));
    t.check->fake.max_blocks_per_sm = std::max(1, 2048 / std::max(1, src.block));
    return &t.check->fake;
  }
  const auto same = [&](const KernelKey& k) { return !memcmp(&k, &key, sizeof key); };
  std::unique_lock<std::mutex> guard(s->lock);
  OwnedKernel* waiting = nullptr;  // the entry that leave_to_pool() made
  const bool later = may_defer();  // only looked up here
  for (;;) {
    waiting = s->kernels.find(key);
    if (waiting && !waiting->pending.load(std::memory_order_relaxed)) {
      if (waiting->function) return waiting;
      unsupported(kRetired);
      return nullptr;
    }
    if (waiting && later) {
      unsupported(kPending);
      return nullptr;
    }
    if (std::none_of(s->building.begin(), s->building.end(), same)) break;
    s->built.wait(guard);
  }
  if (t.call && !collecting(t.call) && capturing(t.call)) {  // loading a module isn't allowed then
    unsupported("the stream is being captured and this kernel isn't compiled yet");
    return nullptr;
  }
  if (s->arch.empty()) {
    const std::string cc = std::to_string(s->cc_major * 10 + s->cc_minor);
    s->arch = nvrtc_version(nullptr) ? nvrtc_arch(s->cc_major, s->cc_minor) : "sm_" + cc;
  }
  s->building.push_back(key);
  guard.unlock();
  const auto done = [&] {  // with the lock held
    s->building.erase(std::find_if(s->building.begin(), s->building.end(), same));
    s->built.notify_all();
  };
  auto k = std::make_unique<OwnedKernel>();
  const bool off = jit_mode(-1) == GEMS_JIT_OFF;
  bool missing;
  std::string error = build(s, src, k.get(), !later && !off, &missing);
  if (missing && later) {
    guard.lock();
    done();
    guard.unlock();
    leave_to_pool(s, key, *t.call);
    return nullptr;
  }
  k->overlaps = s->overlaps && src.start != KernelSource::Start::after;
  k->label = std::string(t.call && t.call->op ? t.call->op->name : "kernel") + " on " + s->arch;
  if (!error.empty()) {
    k->function = nullptr;
    error = k->label + ": " + error;
    if (missing) error = report_missing(error);
    else if (host().log) host().log(2, (error + "\nthe native kernel runs instead").c_str());
    t.text = error;
    t.reason = t.text.c_str();
  }
  guard.lock();
  OwnedKernel* entry = waiting;
  if (entry) {  // readers look at it already: its function comes last
    void* const function = k->function;
    k->function = nullptr;
    static_cast<Kernel&>(*entry) = *k;
    entry->label = k->label;
    __atomic_store_n(&entry->function, function, __ATOMIC_RELEASE);
    entry->pending.store(false, std::memory_order_release);
  } else {
    s->kernels.insert(key, entry = k.release());  // a failed one too: it isn't tried again
  }
  const OwnedKernel* result = error.empty() ? entry : nullptr;
  done();
  return result;
}

// A grid that may start while the one in front of it on the stream still runs: its blocks take the multiprocessors' free places,
// read their arguments and wait. That hides a launch: in CUDA graphs on an H100 0.7 us of softmax's 25.4 (4096x4096, bfloat16)
// and 0.4 us of the 2.1 of an operator on one row. Every kernel that starts so waits for the end of the one in front before it
// touches memory; so when a kernel has ended, all in front of it have.
static CUresult launch_overlapping(CUfunction function, const gems_call* call, unsigned gx, unsigned gy, unsigned gz,
                                   unsigned block, unsigned smem, void** params) {
  CUlaunchAttribute attribute{};
  attribute.id = CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION;
  attribute.value.programmatic_stream_serialization = 1;
  const CUlaunchConfig config{gx, gy, gz, block, 1, 1, smem, (CUstream)call->stream, &attribute, 1};
  return driver().cuLaunchKernelEx(&config, function, params, nullptr);
}

// Nothing is launched for the pool or a probe.
[[gnu::cold, gnu::noinline]] static gems_status note_launch(const Kernel* k, Probe::Launch l) {
  if (Probe* p = thread_state().probe) {
    l.key = static_cast<const Probe::Noted*>(k)->key;
    p->launches.push_back(l);
  }
  return GEMS_OK;
}

gems_status launch(const gems_call* call, const Kernel* k, unsigned gx, unsigned gy, unsigned gz, unsigned block, unsigned smem,
                   const void* args) {
  void* function = __atomic_load_n(&k->function, __ATOMIC_RELAXED);
  if (__builtin_expect(collecting(call), 0)) return note_launch(k, {{}, gx, gy, gz, block, smem});
  if (__builtin_expect(!function, 0)) { return thread_state().check ? GEMS_OK : unsupported(kRetired); }
  void* params[] = {const_cast<void*>(args)};
  CUresult r = CUDA_ERROR_NOT_SUPPORTED;
  if (__atomic_load_n(&k->overlaps, __ATOMIC_RELAXED)) {
    r = launch_overlapping((CUfunction)function, call, gx, gy, gz, block, smem, params);
    if (r == CUDA_ERROR_NOT_SUPPORTED) __atomic_store_n(&const_cast<Kernel*>(k)->overlaps, false, __ATOMIC_RELAXED);
  }
  if (r == CUDA_ERROR_NOT_SUPPORTED)
    r = driver().cuLaunchKernel((CUfunction)function, gx, gy, gz, block, 1, 1, smem, (CUstream)call->stream, params, nullptr);
  if (__builtin_expect(r == CUDA_SUCCESS, 1)) return GEMS_OK;
  const std::string text = static_cast<const OwnedKernel*>(k)->label + ": launch of " + std::to_string(gx) + "x" +
                           std::to_string(gy) + "x" + std::to_string(gz) + " blocks of " + std::to_string(block) +
                           " threads: " + driver().name(r);
  switch (r) {
    // The launch itself was refused: this kernel's fault, nothing ran. Others (a sticky error of an earlier kernel) aren't.
    case CUDA_ERROR_INVALID_VALUE:
    case CUDA_ERROR_INVALID_IMAGE:
    case CUDA_ERROR_NO_BINARY_FOR_GPU:
    case CUDA_ERROR_NOT_FOUND:
    case CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES:
      __atomic_store_n(&const_cast<Kernel*>(k)->function, nullptr, __ATOMIC_RELAXED);
      if (host().log) host().log(2, (text + "; retired, the native kernel runs instead").c_str());
      failed(text);
      return GEMS_UNSUPPORTED;
    default: return failed(text);
  }
}

bool planning_only(const gems_call* call) { return collecting(call) || thread_state().check || thread_state().probe; }

gems_status unsupported(const char* reason) {
  thread_state().reason = reason;
  return GEMS_UNSUPPORTED;
}

gems_status failed(const std::string& text) {
  ThreadState& t = thread_state();
  t.text = text;
  t.reason = t.text.c_str();
  return GEMS_FAILED;
}

const char* cuda_type(int dtype) {
  switch (dtype) {
    case GEMS_U8: return "unsigned char";
    case GEMS_I8: return "signed char";
    case GEMS_I16: return "short";
    case GEMS_I32: return "int";
    case GEMS_I64: return "gems::i64";
    case GEMS_F16: return "gems::f16";
    case GEMS_BF16: return "gems::bf16";
    case GEMS_F32: return "float";
    case GEMS_F64: return "double";
    case GEMS_BOOL: return "bool";
    default: return nullptr;
  }
}

void* scratch(const gems_call* call, size_t bytes, void** handle) {
  *handle = nullptr;
  if (__builtin_expect(collecting(call) || ((unsigned char)call->t[0].device_index == kCheckDevice && thread_state().check), 0))
    return reinterpret_cast<void*>(uintptr_t{1} << 40);  // never touched: nothing is launched
  void* p = host().scratch ? host().scratch(GEMS_CUDA, call->t[0].device_index, bytes, call->stream, handle) : nullptr;
  if (!p) unsupported("no scratch memory on the device");
  return p;
}

void scratch_free(void* handle) {
  if (handle) host().scratch_free(handle);
}

// --minimal, from NVRTC 12.4 on (12.3 refuses it): no textures, no device runtime. The same code, and 64.5 instead of 70.0 ms of processor time
// for a pointwise kernel (14 of them, NVRTC 13.5, the CPU machine).
std::vector<std::string> compile_options(const char* compiler, const std::string& arch) {
  std::vector<std::string> r{"-arch=" + arch, "-std=c++20", "-default-device"};
  int major = 0, minor = 0;
  if (sscanf(compiler, "%d.%d", &major, &minor) == 2 && major * 100 + minor >= 1204) r.push_back("--minimal");
  return r;
}

std::string device_environment(int index) {
  const bool planned = index == kCheckDevice && thread_state().check;  // what this thread makes a pack for
  if (!planned && (index < 0 || index >= kMaxDevices)) return "";
  const DeviceState* s = planned ? nullptr : g_devices[index].load(std::memory_order_acquire);
  if (!s && !(s = attach(index))) return "";
  // Without NVRTC what runs was made by the packs' one: times measured with it hold here.
  const char* version = nvrtc_version(nullptr);
  const std::string compiler = version ? version : pack_compiler(*s);
  return s->name + ", sm_" + std::to_string(s->cc_major) + std::to_string(s->cc_minor) + ", " + std::to_string(s->sm_count) +
         " SM\n" + driver_version() + "\nNVRTC " + (compiler.empty() ? "missing" : compiler);
}

std::string device_description() {
  std::string r;
  const char* version = nullptr;
  for (auto& d : g_devices)
    if (const DeviceState* s = d.load(std::memory_order_acquire)) {
      if (!r.empty()) r += "; ";
      r += s->name + ", sm_" + std::to_string(s->cc_major) + std::to_string(s->cc_minor);
      version = nvrtc_version(nullptr);
    }
  if (r.empty()) return driver().ok ? "not attached yet" : driver().why;
  return r + ", NVRTC " + (version ? version : "missing");
}

}  // namespace gems::cuda
