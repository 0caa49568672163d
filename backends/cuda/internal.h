// Behind jit.h: state that only the backend's base (backend.cpp, jit.cpp, check.cpp) sees.
#pragma once
#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "backends/cuda/driver.h"
#include "backends/cuda/jit.h"
#include "backends/cuda/nvrtc.h"

namespace gems::cuda {

const gems_host& host();  // set by gems_backend_entry

struct OwnedKernel : Kernel {
  std::string label;                 // "silu on sm_90a", for messages
  std::atomic<bool> pending{false};  // waits for a thread of the pool to build it; `function` is null until then
};

// Open addressing with linear probing. Readers take no lock: a slot is written before its `kernel` is published, a grown table
// before its pointer is, and old tables stay alive (a reader may still be in one). Kernels are never removed.
class KernelTable {
 public:
  KernelTable() { grow(64); }
  OwnedKernel* find(const KernelKey& key) const {
    const Table* t = table_.load(std::memory_order_acquire);
    for (size_t i = hash(key);; i++) {
      const Slot& s = t->slots[i & t->mask];
      OwnedKernel* k = s.kernel.load(std::memory_order_acquire);
      if (!k || (s.key.w[0] == key.w[0] && s.key.w[1] == key.w[1] && s.key.w[2] == key.w[2])) return k;
    }
  }
  // The caller holds the device's lock and has seen that `key` isn't there.
  void insert(const KernelKey& key, OwnedKernel* k) {
    const Table* t = table_.load(std::memory_order_relaxed);
    if (2 * (count_ + 1) > t->mask + 1) grow(2 * (t->mask + 1));
    put(*tables_.back(), key, k);
    count_++;
  }

 private:
  struct Slot {
    KernelKey key;
    std::atomic<OwnedKernel*> kernel{nullptr};
  };
  struct Table {
    size_t mask;
    std::unique_ptr<Slot[]> slots;
  };
  static size_t hash(const KernelKey& k) {
    uint64_t h = (k.w[0] ^ k.w[1] * 0x9e3779b97f4a7c15u) * 0xff51afd7ed558ccdu ^ k.w[2] * 0xc4ceb9fe1a85ec53u;
    return (size_t)(h ^ h >> 32);
  }
  static void put(Table& t, const KernelKey& key, OwnedKernel* k) {
    size_t i = hash(key);
    while (t.slots[i & t.mask].kernel.load(std::memory_order_relaxed)) i++;
    t.slots[i & t.mask].key = key;
    t.slots[i & t.mask].kernel.store(k, std::memory_order_release);
  }
  void grow(size_t capacity) {
    auto t = std::make_unique<Table>(Table{capacity - 1, std::make_unique<Slot[]>(capacity)});
    if (!tables_.empty())
      for (size_t i = 0; i <= tables_.back()->mask; i++) {
        const Slot& s = tables_.back()->slots[i];
        if (OwnedKernel* k = s.kernel.load(std::memory_order_relaxed)) put(*t, s.key, k);
      }
    table_.store(t.get(), std::memory_order_release);
    tables_.push_back(std::move(t));
  }
  std::atomic<const Table*> table_{nullptr};
  std::vector<std::unique_ptr<Table>> tables_;
  size_t count_ = 0;
};

struct DeviceState : Device {
  CUdevice handle = 0;
  CUcontext context = nullptr;
  std::string name, arch;  // "NVIDIA H200", "sm_90a"
  std::mutex lock;         // guards the insertion of kernels and `building`
  std::condition_variable built;
  std::vector<KernelKey> building;  // compiled right now by some thread
  KernelTable kernels;
};

// Compile-only runs (check.cpp): planners run as ever, kernels are compiled and looked at, nothing is launched.
struct Check {
  virtual ~Check() = default;
  DeviceState* device;
  void (*on_kernel)(Check*, const KernelSource&, const std::string& unit);
  OwnedKernel fake;
};
constexpr int kCheckDevice = GEMS_PLANNED_DEVICE;  // device_index of tensors in such a run: beyond every real device's

// What a call would launch: its planner runs as ever, but its device has no kernels, and what it builds and launches is noted here
// (variants.cpp).
struct Probe {
  struct Launch {
    KernelKey key;
    unsigned gx, gy, gz, block, smem;
  };
  struct Noted : Kernel {
    KernelKey key;
  };
  DeviceState* device;
  std::deque<Noted> kernels;  // of this call; planners hold pointers to them
  std::vector<Launch> launches;
};
constexpr int kProbeDevice = 126;

// A call as the pool's threads see it again: the planner's way to the kernels it needs is dispatch() itself, on a copy, with
// launches left out.
struct CallCopy {
  explicit CallCopy(const gems_call& c);
  CallCopy(const CallCopy&) = delete;
  gems_call call;

 private:
  std::unique_ptr<int64_t[]> dims_;
};
extern const char kCollect;  // its address stands for the stream of such a copy
inline bool collecting(const gems_call* c) { return c->stream == &kCollect; }

struct ThreadState {
  const gems_call* call = nullptr;  // the one that run() serves now
  CUcontext restore = nullptr;      // context that was current before device_of() switched
  Check* check = nullptr;
  Probe* probe = nullptr;
  const char* reason = "";  // of the last UNSUPPORTED or FAILED
  std::string text;         // storage of `reason` when it isn't static
};
ThreadState& thread_state();
// Gives the caller the context back that device_of() switched away from.
inline void restore_context() {
  ThreadState& t = thread_state();
  if (__builtin_expect(t.restore != nullptr, 0)) {
    driver().cuCtxSetCurrent(t.restore);
    t.restore = nullptr;
  }
}

gems_status dispatch(const gems_call* call);  // to the family planners
bool declared(const gems_call* call);         // has the call's family each knob of its variant?
const DeviceState* device_state(int index);   // attached if it isn't yet; nullptr with the reason set
int variants(const gems_call* call, int16_t* candidates, int cap);
std::string device_description();           // of the devices attached so far
std::string device_environment(int index);  // gems_backend::environment; "" if there is no such device

// target.cpp
int target(const char* arch, int model, void (*report)(const gems_planned*));
int target_pending(double seconds);

bool capturing(const gems_call* call);  // its stream, as far as can be known

// marks.cpp
void* mark(const gems_call* call);
int elapsed(void* begin, void* end, double* microseconds);

// pool.cpp
int jit_mode(int mode);
int jit_pending(double seconds);
bool enqueue(const gems_call& call);  // false: there is no pool (a forked child, exit)

// build.cpp
struct Compiled;
struct Unit;
// From the cache, or compiled into it.
Compiled compile_into_cache(const Unit& u, const std::string& arch, bool* cached);
// Fills k from cache, packs or compiler; the reason on failure. *missing: it failed only because `compile` is off.
std::string build(DeviceState* s, const KernelSource& src, OwnedKernel* k, bool compile, bool* missing);
std::string pack_compiler(const DeviceState& s);  // the version of the NVRTC that made a pack for it; "": there is none
const char* pack_maker(int i);                    // what packs were made by; nullptr beyond the last

// unit.cpp
std::string unit_text(const KernelSource& src);
std::vector<const Header*> include_closure(const std::string& unit);
std::vector<std::string> compile_options(const char* compiler, const std::string& arch);
std::string cache_key(const std::string& unit, const std::vector<const Header*>& headers, const std::vector<std::string>& options,
                      const char* compiler);
struct Unit {
  explicit Unit(const KernelSource& src) : Unit(unit_text(src)) {}
  explicit Unit(std::string t) : text(std::move(t)), headers(include_closure(text)) {}
  void made_with(const char* compiler, const std::string& arch) {
    options = compile_options(compiler, arch);
    key = cache_key(text, headers, options, compiler);
  }
  std::string text, key;
  std::vector<const Header*> headers;
  std::vector<std::string> options;
};

// The turn to compile a key, which the processes that share a cache take one after the other.
class CompileTurn {
 public:
  explicit CompileTurn(const std::string& key) : key_(key), mine_(!host().cache_begin || host().cache_begin(key.c_str())) {}
  ~CompileTurn() {
    if (mine_ && host().cache_end) host().cache_end(key_.c_str());
  }
  CompileTurn(const CompileTurn&) = delete;
  CompileTurn& operator=(const CompileTurn&) = delete;
  bool mine() const { return mine_; }  // false: another process has stored it meanwhile

 private:
  const std::string key_;
  const bool mine_;
};

}  // namespace gems::cuda
