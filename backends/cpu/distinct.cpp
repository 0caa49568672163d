// unique, unique_consecutive, isin, bincount: dense inputs as keys; where the keys lie near each other a table by key replaces sorting
// and hashing. Results of unknown size take two calls: the first leaves the count in the workspace, the second writes.
#include "backends/cpu/sort.h"

namespace gems::cpu {

namespace {

constexpr int64_t kPart = 32768, kBlock = 4096, kLong = 1 << 17;
constexpr int64_t kTable = 1 << 18;  // most entries of a table of counts: two of them in a second-level cache

struct Header {  // of the workspace
  int64_t count, table;
  uint64_t lo;
  int64_t half;  // of the data: which has the sorted elements
  int64_t rank[64];
};
constexpr size_t kHeader = (sizeof(Header) + 63) / 64 * 64;

uint64_t nan_of(int size) { return size == 8 ? ~uint64_t{0} : (uint64_t{1} << 8 * size) - 1; }

// f(keys, from, count, part) for blocks of bare keys.
template <class F> void each_block(const gems_tensor& in, int64_t parts, F f) {
  const gems_key_table& keys = sort_table().keys[in.dtype];
  const int size = dtype_size(in.dtype);
  parallel(parts, 1, [&](int64_t begin, int64_t end) {
    Scratch scratch;
    char* block = scratch.take(kBlock * 8);
    for (int64_t p = begin; p < end; p++)
      for (int64_t i = part(in.numel, parts, p), last = part(in.numel, parts, p + 1); i < last; i += kBlock) {
        const int64_t n = std::min(kBlock, last - i);
        keys.keys(static_cast<const char*>(in.data) + i * size, n, 0, 0, block);
        f(block, i, n, p);
      }
  });
}

void key_range(const gems_tensor& in, const gems_order_table& bare, uint64_t* lo, uint64_t* hi) {
  uint64_t los[64], his[64];
  const int64_t parts = parts_of(in.numel, kPart);
  for (int64_t p = 0; p < parts; p++) los[p] = ~uint64_t{0}, his[p] = 0;
  each_block(in, parts, [&](const char* keys, int64_t, int64_t n, int64_t p) { bare.range(keys, n, &los[p], &his[p]); });
  *lo = *std::min_element(los, los + parts);
  *hi = *std::max_element(his, his + parts);
}

// counts[key - lo]++ from zero; a table for each thread while they fit into caches.
bool tally(const gems_tensor& in, const gems_order_table& bare, uint64_t lo, int64_t size, int64_t* counts) {
  const int64_t parts = size > kTable || size > in.numel ? 1 : parts_of(in.numel, kPart);
  Memory memory;
  int64_t* own = parts > 1 ? reinterpret_cast<int64_t*>(memory.take(parts * size * 8)) : counts;
  if (!own) return false;
  std::memset(own, 0, parts * size * 8);
  each_block(in, parts, [&](const char* keys, int64_t, int64_t n, int64_t p) { bare.tally(keys, n, lo, own + p * size); });
  for (int64_t i = 0; parts > 1 && i < size; i++) {
    counts[i] = 0;
    for (int64_t p = 0; p < parts; p++) counts[i] += own[p * size + i];
  }
  return true;
}

// Values of bare keys.
void put_values(const gems_key_table& keys, const void* from, int key_size, int64_t n, const gems_tensor& out) {
  const int size = dtype_size(out.dtype);
  parallel(n, 16384, [&](int64_t b, int64_t e) {
    keys.values(static_cast<const char*>(from) + b * key_size, e - b, nullptr, 0, static_cast<char*>(out.data) + b * size,
                nullptr);
  });
}

enum { kInverse = 1, kCounts = 2, kConsecutive = 4 };  // par[1] of unique

gems_status unique_find(const gems_call* call, int flags) {
  const gems_tensor &in = call->t[1], &workspace = call->t[0];
  const gems_key_table& keys = sort_table().keys[in.dtype];
  const bool packed = (flags & (kInverse | kConsecutive)) == kInverse;  // without sorting the inverse needs no index
  const gems_order_table &bare = sort_table().order[keys.wide][0], &order = sort_table().order[keys.wide][packed];
  const int size = dtype_size(in.dtype);
  const int64_t n = in.numel;
  if (n >= INT64_C(0xffffffff)) return unsupported("2^32 elements");
  Header* h = static_cast<Header*>(workspace.data);
  char *a = static_cast<char*>(workspace.data) + kHeader, *b = a + n * order.size, *sorted = a;
  h->table = 0;
  h->count = 0;
  if (!(flags & kConsecutive)) {
    uint64_t lo, hi;
    key_range(in, bare, &lo, &hi);
    if (hi - lo < static_cast<uint64_t>(std::min(kTable, n / 2 + 4096)) && !(keys.has_nan && hi == nan_of(size))) {
      h->table = static_cast<int64_t>(hi - lo) + 1;
      h->lo = lo;
      int64_t* counts = reinterpret_cast<int64_t*>(a);
      if (!tally(in, bare, lo, h->table, counts)) return failed("out of memory");
      for (int64_t i = 0; i < h->table; i++) h->count += counts[i] != 0;
      return GEMS_OK;
    }
    if (n >= kLong) {
      sorted = sort_long(keys, packed, static_cast<const char*>(in.data), size, n, 0, a, b);
    } else {
      (packed ? keys.pack : keys.keys)(in.data, n, 0, 0, a);
      sorted = static_cast<char*>(order.sort(a, b, n));
    }
  } else {
    parallel(n, 16384, [&](int64_t begin, int64_t end) {
      keys.keys(static_cast<const char*>(in.data) + begin * size, end - begin, 0, 0, a + begin * order.size);
    });
  }
  h->half = sorted == b;
  const int64_t parts = parts_of(n, kPart);
  parallel(parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; p++)
      h->rank[p] = order.heads(sorted, part(n, parts, p), part(n, parts, p + 1), keys.has_nan, nan_of(size));
  });
  for (int64_t p = 0; p < parts; p++) {
    const int64_t heads = h->rank[p];
    h->rank[p] = h->count;
    h->count += heads;
  }
  return GEMS_OK;
}

gems_status unique_write(const gems_call* call, int flags) {
  const gems_tensor &values = call->t[0], &in = call->t[3], &workspace = call->t[4];
  int64_t* inverse = flags & kInverse ? static_cast<int64_t*>(call->t[1].data) : nullptr;
  int64_t* counts = flags & kCounts ? static_cast<int64_t*>(call->t[2].data) : nullptr;
  const gems_key_table& keys = sort_table().keys[in.dtype];
  const bool packed = (flags & (kInverse | kConsecutive)) == kInverse;
  const gems_order_table &bare = sort_table().order[keys.wide][0], &order = sort_table().order[keys.wide][packed];
  const int64_t n = in.numel;
  const Header* h = static_cast<const Header*>(workspace.data);
  char *a = static_cast<char*>(workspace.data) + kHeader, *b = a + n * order.size;
  if (h->table) {
    int64_t* table = reinterpret_cast<int64_t*>(a);
    Memory memory;
    char* list = memory.take(h->count * bare.size);
    if (!list) return failed("out of memory");
    int64_t m = 0;
    for (int64_t i = 0; i < h->table; i++) {
      const int64_t c = table[i];
      if (c == 0) continue;
      const uint64_t key = h->lo + i;
      std::memcpy(list + m * bare.size, &key, bare.size);  // little-endian: the low bytes of a narrow key
      if (counts) counts[m] = c;
      table[i] = m++;
    }
    put_values(keys, list, static_cast<int>(bare.size), m, values);
    if (inverse)
      each_block(in, parts_of(n, kPart),
                 [&](const char* block, int64_t i, int64_t c, int64_t) { bare.map(block, c, h->lo, table, inverse + i); });
    return GEMS_OK;
  }
  const char* sorted = h->half ? b : a;
  char* list = h->half ? a : b;
  const int64_t parts = parts_of(n, kPart);
  parallel(parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; p++)
      order.runs(sorted, part(n, parts, p), part(n, parts, p + 1), keys.has_nan, nan_of(dtype_size(in.dtype)), h->rank[p], list,
                 counts, inverse);
  });
  put_values(keys, list, static_cast<int>(bare.size), h->count, values);
  for (int64_t i = 0; counts && i < h->count; i++) counts[i] = (i + 1 < h->count ? counts[i + 1] : n) - counts[i];
  return GEMS_OK;
}

// t = out, elements, tests; par[0] = invert. NaN is in no set.
gems_status isin(const gems_call* call) {
  const gems_tensor &out = call->t[0], &in = call->t[1], &tests = call->t[2];
  const gems_key_table& keys = sort_table().keys[in.dtype];
  const gems_order_table& bare = sort_table().order[keys.wide][0];
  const int64_t m = tests.numel, parts = parts_of(in.numel, kPart);
  const int invert = static_cast<int>(call->par[0].i);
  uint8_t* to = static_cast<uint8_t*>(out.data);
  Memory memory, set;
  char* list = memory.take(2 * m * bare.size);
  if (!list) return failed("out of memory");
  keys.keys(tests.data, m, 0, 0, list);
  list = static_cast<char*>(bare.sort(list, list + m * bare.size, m));
  const int64_t count = keys.has_nan ? m - static_cast<int64_t>(bare.count(list, m, nan_of(dtype_size(in.dtype)))) : m;
  if (count == 0) {
    std::memset(to, invert, in.numel);
    return GEMS_OK;
  }
  uint64_t lo = ~uint64_t{0}, hi = 0;
  bare.range(list, count, &lo, &hi);
  if (hi - lo < static_cast<uint64_t>(std::min<int64_t>(1 << 20, 16 * (in.numel + m)))) {
    const int64_t size = static_cast<int64_t>(hi - lo) + 1;
    uint8_t* table = reinterpret_cast<uint8_t*>(set.take(size));
    if (!table) return failed("out of memory");
    std::memset(table, 0, size);
    for (int64_t i = 0; i < count; i++) {
      uint64_t key = 0;
      std::memcpy(&key, list + i * bare.size, bare.size);
      table[key - lo] = 1;
    }
    each_block(in, parts,
               [&](const char* block, int64_t i, int64_t n, int64_t) { bare.member(block, n, lo, size, table, invert, to + i); });
    return GEMS_OK;
  }
  uint64_t none = hi + 1;  // a key that isn't in the set
  if (none == 0 || (!keys.wide && none >> 32)) {
    none = lo - 1;
    uint64_t key = 0;
    for (int64_t i = 0; lo == 0 && i < count; i++) {  // both ends of the range are in it: the first gap
      std::memcpy(&key, list + i * bare.size, bare.size);
      if (i == 0 || key <= none + 1) none = key;
      else break;
    }
    if (lo == 0) none++;
  }
  int64_t slots = 64;
  while (slots < 3 * count) slots *= 2;
  char* table = set.take(slots * bare.size);
  if (!table) return failed("out of memory");
  for (int64_t i = 0; i < slots; i++) std::memcpy(table + i * bare.size, &none, bare.size);
  bare.insert(list, count, table, slots - 1, none);
  each_block(in, parts, [&](const char* block, int64_t i, int64_t n, int64_t) {
    bare.contains(block, n, table, slots - 1, none, invert, to + i);
  });
  return GEMS_OK;
}

// par[0] = 0: t = workspace, in: the count of bins, -1 where a number is negative. 1: t = out, in, weights or ABSENT.
gems_status bincount(const gems_call* call) {
  const gems_tensor& in = call->t[1];
  const gems_order_table& bare = sort_table().order[sort_table().keys[in.dtype].wide][0];
  const uint64_t zero = in.dtype == GEMS_U8 ? 0 : uint64_t{1} << (8 * dtype_size(in.dtype) - 1);
  if (!call->par[0].i) {
    uint64_t lo, hi;
    key_range(in, bare, &lo, &hi);
    *static_cast<int64_t*>(call->t[0].data) = lo < zero ? -1 : static_cast<int64_t>(hi - zero) + 1;
    return GEMS_OK;
  }
  const gems_tensor &out = call->t[0], &weights = call->t[2];
  if (weights.flags & GEMS_T_ABSENT)
    return tally(in, bare, zero, out.numel, static_cast<int64_t*>(out.data)) ? GEMS_OK : failed("out of memory");
  std::memset(out.data, 0, out.numel * dtype_size(out.dtype));
  auto add = [&](auto* sums) {  // in the order of the elements, as torch: sums of floats depend on it
    each_block(in, 1, [&](const char* block, int64_t from, int64_t n, int64_t) {
      const auto* w = static_cast<decltype(sums)>(weights.data) + from;
      for (int64_t i = 0; i < n; i++) {
        uint64_t key = 0;
        std::memcpy(&key, block + i * bare.size, bare.size);
        sums[key - zero] += w[i];
      }
    });
  };
  if (out.dtype == GEMS_F32) add(static_cast<float*>(out.data));
  else add(static_cast<double*>(out.data));
  return GEMS_OK;
}

}  // namespace

gems_status run_distinct(const gems_call* call) {
  switch (call->op->roles[0]) {
    case 'u': {
      const int flags = static_cast<int>(call->par[1].i);
      return call->par[0].i ? unique_write(call, flags) : unique_find(call, flags);
    }
    case 'i': return isin(call);
    default: return bincount(call);
  }
}

}  // namespace gems::cpu
