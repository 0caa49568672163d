// Fresh memory is dear on a CPU: 64 MiB malloc + touch + free costs 32 ms in page faults, 6.8 ms with huge pages (two cores of an
// EPYC, Zen 4). So blocks are kept and handed out again.
//   small (<= 16 KiB): thread-local free lists by power of two, no lock; a block freed by another thread joins that thread's list.
//   large: one list by size class (eighths of a power of two) under a mutex, bounded by GEMS_CPU_ALLOCATOR_MB (default 1/8 of the
//   memory, at most 4 GiB), least recently freed first out; 2 MiB and more are aligned for, and ask for, huge pages.
// A block's header holds its class, so a block may outlive any change of settings.
#include "bindings/torch/allocator.h"

#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <list>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "core/base.h"

namespace gems::torch_binding {
namespace {

constexpr size_t kHeader = 64;  // keeps the payload aligned to a cache line
constexpr size_t kSmallMax = 16384;
constexpr int kSmallClasses = 9;    // 64 .. 16384
constexpr int kSmallPerClass = 64;  // blocks a thread keeps of each class: at most 2 MiB a thread
constexpr size_t kHuge = 2u << 20;

struct Header {
  uint64_t magic;
  uint64_t bytes;       // payload capacity
  int32_t small_class;  // -1: large
  void* base;           // what free() takes
};
constexpr uint64_t kMagic = 0x67656d73616c6c6full;
static_assert(sizeof(Header) <= kHeader);

Header* header_of(void* p) { return reinterpret_cast<Header*>(static_cast<char*>(p) - kHeader); }

void* fresh(size_t bytes, int small_class) {
  const size_t align = bytes >= kHuge ? kHuge : 64;
  void* base = nullptr;
  // huge pages: the header sits at the end of the page before the payload, so the payload starts on a huge page
  const size_t lead = align == kHuge ? 4096 : kHeader;
  if (posix_memalign(&base, align == kHuge ? 4096 : 64, bytes + lead + (align == kHuge ? kHuge : 0)) != 0)
    c10::alloc_cpu(SIZE_MAX / 2);  // torch's own out-of-memory error
  char* p = static_cast<char*>(base) + lead;
  if (align == kHuge) {
    p = reinterpret_cast<char*>((reinterpret_cast<uintptr_t>(p) + kHuge - 1) / kHuge * kHuge);
    madvise(p, bytes / kHuge * kHuge, MADV_HUGEPAGE);
  }
  *header_of(p) = Header{kMagic, bytes, small_class, base};
  return p;
}

struct SmallLists {
  void* block[kSmallClasses][kSmallPerClass];
  int count[kSmallClasses] = {};
  ~SmallLists();
};
thread_local SmallLists* t_small = nullptr;
thread_local bool t_small_dead = false;  // destructors of other thread-locals may still free tensors
struct SmallOwner {
  SmallLists lists;
  SmallOwner() { t_small = &lists; }
  ~SmallOwner() {
    t_small = nullptr;
    t_small_dead = true;
  }
};
SmallLists::~SmallLists() {
  for (int c = 0; c < kSmallClasses; c++)
    for (int i = 0; i < count[c]; i++) std::free(header_of(block[c][i])->base);
}
SmallLists* small_lists() {
  if (t_small || t_small_dead) return t_small;
  static thread_local SmallOwner owner;
  return t_small;
}

struct Idle {
  void* p;
  uint64_t bytes;
};
struct LargeCache {
  std::mutex mutex;
  std::list<Idle> order;  // oldest first
  std::unordered_map<uint64_t, std::vector<std::list<Idle>::iterator>> by_size;
  int64_t cached = 0, limit = 0;
};
LargeCache& large() {
  static auto* c = [] {
    auto* l = new LargeCache;  // immortal: tensors may be freed during process exit
    int64_t mb = 0;
    if (const char* s = setting("GEMS_CPU_ALLOCATOR_MB")) mb = std::atoll(s);
    else mb = std::min<int64_t>(4096, static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) / 8 * sysconf(_SC_PAGESIZE) >> 20);
    const char* off = setting("GEMS_CPU_ALLOCATOR");
    l->limit = off && std::strcmp(off, "0") == 0 ? 0 : mb << 20;
    return l;
  }();
  return *c;
}
std::atomic<int64_t> g_hits{0}, g_misses{0};

uint64_t large_class(uint64_t bytes) {  // eighths of the power of two below: at most 12.5 % waste
  int top = 63 - __builtin_clzll(bytes);
  const uint64_t step = uint64_t{1} << (top - 3);
  return (bytes + step - 1) / step * step;
}

void evict(LargeCache& c, int64_t limit, std::vector<void*>& out) {
  while (c.cached > limit && !c.order.empty()) {
    const Idle old = c.order.front();
    auto& v = c.by_size[old.bytes];
    for (auto it = v.begin(); it != v.end(); ++it)
      if ((*it)->p == old.p) {
        v.erase(it);
        break;
      }
    c.order.pop_front();
    c.cached -= static_cast<int64_t>(old.bytes);
    out.push_back(old.p);
  }
}
void give_back(const std::vector<void*>& blocks) {
  for (void* p : blocks) std::free(header_of(p)->base);
}

void release(void* p) {
  if (!p) return;
  c10::profiledCPUMemoryReporter().Delete(p);
  Header* h = header_of(p);
  if (h->small_class >= 0) {
    SmallLists* s = small_lists();
    if (s && s->count[h->small_class] < kSmallPerClass) s->block[h->small_class][s->count[h->small_class]++] = p;
    else std::free(h->base);
    return;
  }
  LargeCache& c = large();
  std::vector<void*> out;
  {
    std::lock_guard<std::mutex> lock(c.mutex);
    c.order.push_back({p, h->bytes});
    c.by_size[h->bytes].push_back(std::prev(c.order.end()));
    c.cached += static_cast<int64_t>(h->bytes);
    evict(c, c.limit, out);
  }
  give_back(out);
}

struct CachingAllocator final : c10::Allocator {
  c10::DataPtr allocate(size_t n) override {
    if (n == 0) return {nullptr, c10::Device(c10::DeviceType::CPU)};
    void* p = nullptr;
    if (n <= kSmallMax) {
      const int cls = n <= 64 ? 0 : 64 - __builtin_clzll((n - 1) >> 6);
      SmallLists* s = small_lists();
      if (s && s->count[cls] > 0) p = s->block[cls][--s->count[cls]];
      else p = fresh(size_t{64} << cls, cls);
    } else {
      const uint64_t bytes = large_class(n);
      LargeCache& c = large();
      {
        std::lock_guard<std::mutex> lock(c.mutex);
        auto it = c.by_size.find(bytes);
        if (it != c.by_size.end() && !it->second.empty()) {  // the most recently freed: its lines may still be in cache
          auto node = it->second.back();
          it->second.pop_back();
          p = node->p;
          c.order.erase(node);
          c.cached -= static_cast<int64_t>(bytes);
        }
      }
      (p ? g_hits : g_misses).fetch_add(1, std::memory_order_relaxed);
      if (!p) p = fresh(bytes, -1);
    }
    c10::profiledCPUMemoryReporter().New(p, n);
    return {p, p, &release, c10::Device(c10::DeviceType::CPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* dst, const void* src, size_t n) const override { std::memcpy(dst, src, n); }
};

}  // namespace

c10::Allocator* cpu_allocator() {
  static CachingAllocator* own = new CachingAllocator;
  return large().limit > 0 ? own : c10::GetCPUAllocator();
}
void allocator_set_limit(int64_t bytes) {
  LargeCache& c = large();
  std::vector<void*> out;
  {
    std::lock_guard<std::mutex> lock(c.mutex);
    c.limit = bytes < 0 ? 0 : bytes;
    evict(c, c.limit, out);
  }
  give_back(out);
}
int64_t allocator_trim() {
  LargeCache& c = large();
  std::vector<void*> out;
  int64_t before;
  {
    std::lock_guard<std::mutex> lock(c.mutex);
    before = c.cached;
    evict(c, 0, out);
  }
  give_back(out);
  return before;
}
AllocatorStats allocator_stats() {
  LargeCache& c = large();
  std::lock_guard<std::mutex> lock(c.mutex);
  return {c.cached, c.limit, g_hits.load(), g_misses.load()};
}

}  // namespace gems::torch_binding
