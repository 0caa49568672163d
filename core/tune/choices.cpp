#include "core/tune/choices.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <memory>

#include "core/backend.h"
#include "core/promote.h"
#include "core/registry.h"
#include "core/tune/fork_mutex.h"

namespace gems {
namespace {

int log2_bucket(int64_t n) { return n <= 1 ? 0 : 64 - __builtin_clzll(static_cast<uint64_t>(n - 1)); }  // ceil

struct Geometry {
  uint64_t w[4];
};
// How an operand lies in the two innermost dimensions, four bits each in w[3]: the same along the innermost, not dense along it; the
// same along the one before.
enum { kColumn = 1, kStrided = 2, kRow = 4 };

// Is a matrix operand stored by columns? Its last but one stride is 1.
bool by_columns(const gems_tensor& t) { return t.ndim >= 2 && t.strides[t.ndim - 1] != 1 && t.strides[t.ndim - 2] == 1; }

Geometry geometry_of(const gems_call& c) {
  Geometry g{};
  const int n = c.nout + c.nin;
  for (int k = 0; k < n; k++) {
    const gems_tensor& t = c.t[k];
    const uint64_t kind =
        t.flags & GEMS_T_ABSENT ? 63 : (static_cast<uint64_t>(t.dtype) & 31) | (t.flags & GEMS_T_SCALAR ? 32 : 0);
    g.w[0] |= kind << (6 * k);
  }
  const family fam = op_family(c.op);
  g.w[1] = static_cast<uint64_t>(c.t[0].device_type) << 8 | static_cast<uint8_t>(c.compute);
  if (fam == family::matmul) {
    const gems_tensor &a = c.t[n - 2], &b = c.t[n - 1];
    const int64_t m = a.ndim >= 2 ? a.sizes[a.ndim - 2] : 1, k = a.sizes[a.ndim - 1], cols = b.sizes[b.ndim - 1];
    g.w[1] |= static_cast<uint64_t>(by_columns(a)) << 16 | static_cast<uint64_t>(by_columns(b)) << 17 |
              static_cast<uint64_t>(log2_bucket(m)) << 24 |
              static_cast<uint64_t>(log2_bucket(a.ndim == 3 ? a.sizes[0] : 1)) << 32;
    g.w[2] = static_cast<uint64_t>(cols);
    g.w[3] = static_cast<uint64_t>(k);
    return g;
  }
  // Those have no iteration space of the planner.
  const bool walked = fam != family::index && fam != family::create && fam != family::random && fam != family::compact;
  const int64_t numel = walked ? c.it.numel : c.t[0].numel;
  const int64_t inner = walked && c.it.ndim ? c.it.size[c.it.ndim - 1] : numel;
  g.w[1] |= static_cast<uint64_t>(walked ? c.it.contiguous & 1 : c.t[0].flags & GEMS_T_CONTIGUOUS) << 16 |
            static_cast<uint64_t>(walked ? c.it.ndim : c.t[0].ndim) << 20 | static_cast<uint64_t>(walked ? c.it.nred : 0) << 24;
  g.w[2] = static_cast<uint64_t>(log2_bucket(numel)) << 8 | static_cast<uint64_t>(log2_bucket(inner));
  // x + row and x + column have one number of elements and take kernels of different loads.
  if ((fam == family::pointwise || fam == family::copy) && !(c.it.contiguous & 1) && c.it.ndim > 0)
    for (int k = 0; k < n; k++) {
      const int64_t s = c.it.stride[k][c.it.ndim - 1];
      const bool repeats = c.it.ndim > 1 && c.it.stride[k][c.it.ndim - 2] == 0;
      g.w[3] |= static_cast<uint64_t>((s == 0 ? kColumn : s == 1 ? 0 : kStrided) | (repeats ? kRow : 0)) << (4 * k);
    }
  return g;
}

uint64_t mix(uint64_t h, uint64_t x) {  // the finaliser of MurmurHash3 (Appleby), chained
  h ^= x;
  h *= 0xff51afd7ed558ccdull;
  h ^= h >> 33;
  h *= 0xc4ceb9fe1a85ec53ull;
  return h ^ h >> 33;
}
uint64_t hash_of(const Geometry& g) {
  uint64_t h = 0x9e3779b97f4a7c15ull;
  for (uint64_t w : g.w) h = mix(h, w);
  return h ? h : 1;  // 0 marks a free slot
}

// Open addressing with linear probing; 0 is a free slot. Readers take no lock: a slot's candidate is written before its bucket.
struct Table {
  explicit Table(uint64_t capacity)
      : mask(capacity - 1),
        bucket(std::make_unique<std::atomic<uint64_t>[]>(capacity)),
        candidate(std::make_unique<std::atomic<int16_t>[]>(capacity)) {}
  int16_t find(uint64_t h, int16_t none) const {
    for (uint64_t i = h & mask;; i = (i + 1) & mask) {
      const uint64_t b = bucket[i].load(std::memory_order_acquire);
      if (b == h) return candidate[i].load(std::memory_order_relaxed);
      if (!b) return none;
    }
  }
  bool add(uint64_t h, int16_t c) {  // there is room
    uint64_t i = h & mask;
    for (; const uint64_t b = bucket[i].load(std::memory_order_relaxed); i = (i + 1) & mask)
      if (b == h) return false;
    candidate[i].store(c, std::memory_order_relaxed);
    bucket[i].store(h, std::memory_order_release);
    used++;
    return true;
  }
  const uint64_t mask;
  uint64_t used = 0;
  std::unique_ptr<std::atomic<uint64_t>[]> bucket;
  std::unique_ptr<std::atomic<int16_t>[]> candidate;
};

// One table an operator; null: nothing is decided. Replaced tables stay alive: a reader may still be in one.
std::atomic<Table*>* tables() {
  static auto* t = new std::atomic<Table*>[static_cast<size_t>(op_count())]();
  return t;
}
std::atomic<int> g_watchers{0};
struct Watch {
  int16_t forced = kCandidateAuto;
  bool tracing = false;
};
thread_local Watch
    t_watch;  // plain, so that looking at it calls no constructor: each decided call does while others are measured
thread_local std::vector<TracedCall> t_seen;

}  // namespace

namespace {
const char* const kNames[] = {"auto", "native", "own", "own-serial"};
struct Knob {
  const char* name;
  uint8_t gems_knobs::*value;
};
constexpr Knob kKnobs[] = {
    {"tile", &gems_knobs::tile}, {"unroll", &gems_knobs::unroll}, {"block", &gems_knobs::block}, {"split", &gems_knobs::split}};
constexpr char kVariantPrefix[] = "own:";
}  // namespace

std::string candidate_name(int16_t c) {
  if (c >= 0 && c <= kCandidateSerial) return kNames[c];
  if (c < GEMS_VARIANT) return "";
  const gems_knobs knobs = gems_knobs_of(c);
  std::string s;
  for (const Knob& k : kKnobs)
    if (const int v = knobs.*k.value) s += (s.empty() ? kVariantPrefix : ",") + (k.name + ("=" + std::to_string(v)));
  return s.empty() ? kNames[kCandidateOwn] : s;
}
int16_t candidate_of_name(const std::string& name) {
  for (int16_t c = 0; c <= kCandidateSerial; c++)
    if (name == kNames[c]) return c;
  if (name.rfind(kVariantPrefix, 0) != 0) return -1;
  if (name.size() < sizeof kVariantPrefix) return -1;
  gems_knobs knobs{};
  for (size_t at = sizeof kVariantPrefix - 1; at < name.size();) {
    const size_t end = std::min(name.find(',', at), name.size()), is = name.find('=', at);
    const Knob* knob = nullptr;
    for (const Knob& k : kKnobs)
      if (is < end && name.compare(at, is - at, k.name) == 0) knob = &k;
    if (!knob || end != is + 2 || name[is + 1] < '1' || name[is + 1] > '7') return -1;
    knobs.*knob->value = static_cast<uint8_t>(name[is + 1] - '0');
    at = end + 1;
  }
  return gems_variant(knobs);
}

uint64_t bucket_hash(const gems_call& call) { return hash_of(geometry_of(call)); }

std::string bucket_text(const gems_call& c) {
  const int n = c.nout + c.nin;
  std::string s;
  auto type = [&](int k) {
    const gems_tensor& t = c.t[k];
    return t.flags & GEMS_T_ABSENT ? std::string("-") : t.flags & GEMS_T_SCALAR ? "number" : std::string(dtype_name(t.dtype));
  };
  for (int k = c.nout; k < n; k++) s += (k > c.nout ? "," : "") + type(k);
  s += ">";
  for (int k = 0; k < c.nout; k++) s += (k ? "," : "") + type(k);
  const Geometry g = geometry_of(c);
  auto about = [](int bucket) { return "<=" + std::to_string(int64_t{1} << bucket); };
  if (op_family(c.op) == family::matmul) {
    if (const int b = static_cast<int>(g.w[1] >> 32 & 255)) s += " batch" + about(b);
    s += " m" + about(static_cast<int>(g.w[1] >> 24 & 255)) + " n=" + std::to_string(g.w[2]) + " k=" + std::to_string(g.w[3]);
    s += g.w[1] >> 16 & 1 ? " a^T" : "";
    s += g.w[1] >> 17 & 1 ? " b^T" : "";
  } else {
    s += " numel" + about(static_cast<int>(g.w[2] >> 8)) + " inner" + about(static_cast<int>(g.w[2] & 255)) +
         " rank=" + std::to_string(g.w[1] >> 20 & 15) + (g.w[1] >> 16 & 1 ? " dense" : "");
    if (const int reduced = static_cast<int>(g.w[1] >> 24 & 255)) s += " reduced=" + std::to_string(reduced);
    if (g.w[3]) {
      s += " operands:";
      for (int k = 0; k < n; k++) {
        const uint64_t w = g.w[3] >> (4 * k) & 15;
        s += (w & kColumn) && (w & kRow) ? 'n' : w & kColumn ? 'c' : w & kRow ? 'r' : w & kStrided ? 's' : 'd';
      }
    }
  }
  char hex[32];
  std::snprintf(hex, sizeof hex, " #%016llx", static_cast<unsigned long long>(hash_of(g)));
  return s + hex;
}

namespace {
size_t take_choices(const std::vector<Choice>& choices, bool replace) {
  std::lock_guard<std::mutex> lock(fork_mutex<Table>());
  if (replace)
    for (int id = 0; id < op_count(); id++) tables()[id].store(nullptr, std::memory_order_release);
  size_t n = 0;
  for (const Choice& c : choices) {
    const gems_op_info* op = op_find(c.op.c_str());
    if (!op || !c.bucket) continue;
    std::atomic<Table*>& at = tables()[op->id];
    Table* t = at.load(std::memory_order_relaxed);
    if (!t || 2 * (t->used + 1) > t->mask + 1) {  // old ones of a growing table are as large as the last together
      auto* larger = new Table(t ? 2 * (t->mask + 1) : 8);
      for (uint64_t i = 0; t && i <= t->mask; i++)
        if (const uint64_t h = t->bucket[i].load(std::memory_order_relaxed))
          larger->add(h, t->candidate[i].load(std::memory_order_relaxed));
      at.store(t = larger, std::memory_order_release);
    }
    n += t->add(c.bucket, c.candidate);
  }
  return n;
}
// The candidate, or `none` where nothing is decided.
inline int16_t look_up(const gems_call& call, int16_t none) {
  const Table* t = tables()[call.op->id].load(std::memory_order_acquire);
  return __builtin_expect(!t, 1) ? none : t->find(bucket_hash(call), none);
}
}  // namespace

size_t set_choices(const std::vector<Choice>& choices) { return take_choices(choices, true); }
size_t add_choices(const std::vector<Choice>& choices) { return take_choices(choices, false); }
int16_t choice_for(const gems_call& call) { return look_up(call, kCandidateAuto); }

void force_candidate(int16_t candidate) {
  const bool before = t_watch.forced != kCandidateAuto, now = candidate != kCandidateAuto;
  t_watch.forced = candidate;
  if (before != now) g_watchers.fetch_add(now ? 1 : -1);
}
std::vector<TracedCall> trace_buckets(bool on) {
  if (on != t_watch.tracing) g_watchers.fetch_add(on ? 1 : -1);
  t_watch.tracing = on;
  return std::move(t_seen);
}
void watch_calls(bool on) { g_watchers.fetch_add(on ? 1 : -1); }
bool tuning_watches() { return g_watchers.load(std::memory_order_relaxed) != 0; }
static void trace(const gems_call& call) {
  TracedCall seen{call.op->name, bucket_text(call), {kNames[kCandidateOwn]}};
  constexpr int kMost = 256;
  int16_t variants[kMost];
  const gems_backend* b = backend_for(call.t[0].device_type);
  const int n = b && b->variants ? b->variants(&call, variants, kMost) : 0;
  for (int i = 0; i < n; i++) seen.candidates.push_back(candidate_name(variants[i]));
  if (call.t[0].device_type == GEMS_CPU && framework_threads() > 1) seen.candidates.push_back(kNames[kCandidateSerial]);
  t_seen.push_back(std::move(seen));
}
int16_t watched_candidate(const gems_call& call) {
  const Watch w = t_watch;
  if (__builtin_expect(w.tracing, 0)) trace(call);
  return w.forced != kCandidateAuto ? w.forced : look_up(call, kCandidateNone);
}

}  // namespace gems
