// Sorting along lines: each line is loaded dense, its keys are sorted or selected from (kernels/simd/sort.h), the result is stored.
#include "backends/cpu/sort.h"

#include <atomic>

#define GEMS_DECLARE(isa) extern "C" const gems_sort_table gems_sorting_##isa;
GEMS_FOR_EACH_ISA(GEMS_DECLARE)
#undef GEMS_DECLARE

namespace gems::cpu {

const gems_sort_table& sort_table() {
#define GEMS_ADDRESS(isa) &gems_sorting_##isa,
  static constexpr const gems_sort_table* tables[] = {GEMS_FOR_EACH_ISA(GEMS_ADDRESS)};
#undef GEMS_ADDRESS
  return *tables[isa()];
}

namespace {

constexpr int64_t kLong = 1 << 17;  // a line that is worth several threads
constexpr int64_t kTile =
    16;  // lines that are neighbours in memory, moved together: a line of the cache holds one element of each

struct Lines {
  const gems_call* call;
  const gems_key_table* keys;
  const gems_order_table *bare, *packed;
  int64_t n, m, rows, across;  // length of a line and of its result, number of lines, how many lie beside each other
  int size;
  Matrix in, values, indices;

  int64_t start(int k, int64_t run) const { return offset_at(call->it, k, 0, call->it.ndim - 2, run); }
};

// f(line, values, indices, memory) for each line, all dense; `room` bytes of memory are the line's own.
template <class F> bool each_line(const Lines& l, int64_t cost, size_t room, F f) {
  const bool in = l.in.direct(l.n), values = l.values.direct(l.m), indices = l.indices.direct(l.m);
  const int64_t tile = in && values && indices ? 1 : std::min(kTile, l.across), tiles = (l.across + tile - 1) / tile;
  const size_t in_bytes = (tile * l.n * l.size + 63) & ~63, value_bytes = (tile * l.m * l.size + 63) & ~63;
  std::atomic<bool> memory_ok{true};
  room = (room + 63) & ~size_t{63};
  parallel_items(l.rows / l.across * tiles, tile * cost, [&](int64_t begin, int64_t end) {
    Memory memory;
    char* own = memory.take(room + in_bytes + value_bytes + tile * l.m * 8);
    if (!own) {
      memory_ok.store(false, std::memory_order_relaxed);
      return;
    }
    char *in_buffer = own + room, *value_buffer = in_buffer + in_bytes, *index_buffer = value_buffer + value_bytes;
    for (int64_t i = begin; i < end; i++) {
      const int64_t run = i / tiles, r0 = i % tiles * tile, rows = std::min(tile, l.across - r0);
      const int64_t in_at = l.start(2, run) + r0 * l.in.row, value_at = l.start(0, run) + r0 * l.values.row,
                    index_at = l.start(1, run) + r0 * l.indices.row;
      ptrdiff_t step;
      const char* x = static_cast<const char*>(load(l.in, in_at, rows, l.n, l.size, in_buffer, nullptr, &step));
      for (int64_t r = 0; r < rows; r++) {
        char* v = values ? l.values.data + (value_at + r * l.values.row) * l.size : value_buffer + r * l.m * l.size;
        char* k = indices ? l.indices.data + (index_at + r * l.indices.row) * 8 : index_buffer + r * l.m * 8;
        f(x + r * step * l.size, v, reinterpret_cast<int64_t*>(k), own);
      }
      if (!values) store(l.values, value_at, rows, l.m, value_buffer, nullptr);
      if (!indices) store(l.indices, index_at, rows, l.m, index_buffer, nullptr);
    }
  });
  return memory_ok.load();
}

bool sort_lines(const Lines& l, int descending) {
  const size_t half = l.n * l.packed->size;
  if (l.n >= kLong && l.rows < host->num_threads()) {
    Memory memory, line;
    char* a = memory.take(2 * half + l.n * (2 * l.size + 8) + 256);
    if (!a) return false;
    char *x = a + 2 * half, *v = x + l.n * l.size,
         *k = reinterpret_cast<char*>((reinterpret_cast<uintptr_t>(v + l.n * l.size) + 63) & ~63);
    for (int64_t row = 0; row < l.rows; row++) {
      const int64_t run = row / l.across, r = row % l.across;
      const int64_t value_at = l.start(0, run) + r * l.values.row, index_at = l.start(1, run) + r * l.indices.row;
      ptrdiff_t step;
      const char* in = static_cast<const char*>(load(l.in, l.start(2, run) + r * l.in.row, 1, l.n, l.size, x, nullptr, &step));
      const char* s = sort_long(*l.keys, true, in, l.size, l.n, descending, a, a + half);
      const bool direct = l.values.direct(l.n) && l.indices.direct(l.n);
      char* values = direct ? l.values.data + value_at * l.size : v;
      char* indices = direct ? l.indices.data + index_at * 8 : k;
      parallel(l.n, 16384, [&](int64_t b, int64_t e) {
        l.keys->unpack(s + b * l.packed->size, e - b, in, descending, values + b * l.size,
                       reinterpret_cast<int64_t*>(indices) + b);
      });
      if (direct) continue;
      store(l.values, value_at, 1, l.n, v, nullptr);
      store(l.indices, index_at, 1, l.n, k, nullptr);
    }
    return true;
  }
  return each_line(l, 16 * l.n, 2 * half, [&](const char* x, char* values, int64_t* indices, char* memory) {
    l.keys->pack(x, l.n, 0, descending, memory);
    l.keys->unpack(l.packed->sort(memory, memory + half, l.n), l.n, x, descending, values, indices);
  });
}

bool top_lines(const Lines& l, int64_t k, int largest) {
  const size_t keys = l.n * l.bare->size, half = l.n * l.packed->size;
  return each_line(l, 4 * l.n, keys * 2 + 2 * half + 128, [&](const char* x, char* values, int64_t* indices, char* memory) {
    char *a = memory + keys * 2, *b = a + half;
    l.keys->keys(x, l.n, 0, largest, memory);
    const size_t found = l.bare->least(memory, l.n, k, memory + keys, 0, a);
    l.keys->unpack(l.packed->sort(a, b, found), k, x, largest, values, indices);
  });
}

// rule 0: NaN is the greatest; 1: a NaN is the result; 2: as if there were none (k < 0: the lower median).
bool nth_lines(const Lines& l, int64_t k, int rule) {
  const size_t keys = l.n * l.bare->size;
  const uint64_t nan = l.size == 8 ? ~uint64_t{0} : (uint64_t{1} << 8 * l.size) - 1;
  return each_line(l, 6 * l.n, 2 * keys + 64, [&](const char* x, char* values, int64_t* indices, char* memory) {
    l.keys->keys(x, l.n, 0, 0, memory);
    int64_t at = rule ? (l.n - 1) / 2 : k;
    if (rule && l.keys->has_nan) {
      const size_t nans = l.bare->count(memory, l.n, nan);
      if (nans)
        at = rule == 1                         ? l.n - static_cast<int64_t>(nans)
             : nans < static_cast<size_t>(l.n) ? (l.n - static_cast<int64_t>(nans) - 1) / 2
                                               : 0;
    }
    size_t rank;
    const uint64_t key = l.bare->nth(memory, l.n, at, memory + keys, &rank);
    *indices = static_cast<int64_t>(l.bare->find(memory, l.n, key, rank));
    std::memcpy(values, x + *indices * l.size, l.size);
  });
}

// The most frequent value, of those the least; its last position. A NaN is a value of its own.
bool mode_lines(const Lines& l) {
  const size_t half = l.n * l.packed->size;
  const uint64_t nan = l.size == 8 ? ~uint64_t{0} : (uint64_t{1} << 8 * l.size) - 1;
  return each_line(l, 16 * l.n, 2 * half + l.n * (l.bare->size + 8) + 128,
                   [&](const char* x, char* values, int64_t* indices, char* memory) {
                     l.keys->pack(x, l.n, 0, 0, memory);
                     char* s = static_cast<char*>(l.packed->sort(memory, memory + half, l.n));
                     int64_t* starts = reinterpret_cast<int64_t*>(memory + ((2 * half + 63) & ~size_t{63}));
                     const int64_t runs = l.packed->heads(s, 0, l.n, l.keys->has_nan, nan);
                     l.packed->runs(s, 0, l.n, l.keys->has_nan, nan, 0, starts + l.n, starts, nullptr);
                     int64_t best = 0, last = 0;
                     for (int64_t i = 0; i < runs; i++) {
                       const int64_t end = i + 1 < runs ? starts[i + 1] : l.n;
                       if (end - starts[i] > best) best = end - starts[i], last = end - 1;
                     }
                     l.keys->unpack(s + last * l.packed->size, 1, x, 0, values, indices);
                   });
}

}  // namespace

char* sort_long(const gems_key_table& keys, bool packed, const char* in, int size, int64_t n, int descending, char* a, char* b) {
  const gems_order_table& order = sort_table().order[keys.wide][packed];
  const int64_t parts = parts_of(n, 16384);
  uint64_t ors[64], ands[64];
  parallel(parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; p++) {
      const int64_t from = part(n, parts, p), count = part(n, parts, p + 1) - from;
      (packed ? keys.pack : keys.keys)(in + from * size, count, from, descending, a + from * order.size);
      ors[p] = 0, ands[p] = ~uint64_t{0};
      order.bits(a + from * order.size, count, &ors[p], &ands[p]);
    }
  });
  for (int64_t p = 1; p < parts; p++) ors[0] |= ors[p], ands[0] &= ands[p];
  const uint64_t vary = ors[0] & ~ands[0];
  if (!vary) return a;
  // The greatest digit first, so that what remains to be sorted lies together; then each bucket by itself.
  constexpr int kBits = 11, kBuckets = 1 << kBits;
  const int top = 63 - __builtin_clzll(vary), at = std::max(0, top - kBits + 1);
  Memory memory;
  uint32_t* to = reinterpret_cast<uint32_t*>(memory.take(parts * kBuckets * sizeof(uint32_t)));
  std::memset(to, 0, parts * kBuckets * sizeof(uint32_t));
  auto each = [&](bool scatter) {
    parallel(parts, 1, [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; p++) {
        const int64_t from = part(n, parts, p), count = part(n, parts, p + 1) - from;
        if (scatter) order.scatter(a + from * order.size, count, at, kBuckets - 1, to + p * kBuckets, b);
        else order.histogram(a + from * order.size, count, at, kBuckets - 1, to + p * kBuckets);
      }
    });
  };
  each(false);
  uint32_t start[kBuckets + 1], sum = 0;
  for (int d = 0; d < kBuckets; d++) {
    start[d] = sum;
    for (int64_t p = 0; p < parts; p++) {
      const uint32_t c = to[p * kBuckets + d];
      to[p * kBuckets + d] = sum;
      sum += c;
    }
  }
  start[kBuckets] = sum;
  each(true);
  if (at == 0) return b;
  parallel(parts, 1, [&](int64_t begin, int64_t end) {  // a part's buckets are those that begin in it
    const int64_t from = part(n, parts, begin), until = part(n, parts, end);
    for (int d = 0; d < kBuckets; d++) {
      const int64_t s = start[d], count = start[d + 1] - s;
      if (s < from || s >= until || count == 0) continue;
      char* r = static_cast<char*>(order.sort(b + s * order.size, a + s * order.size, count));
      if (r != b + s * order.size) std::memcpy(b + s * order.size, r, count * order.size);
    }
  });
  return b;
}

gems_status run_lines(const gems_call* call) {
  const gems_iter& it = call->it;
  const gems_tensor& in = call->t[2];
  const gems_sort_table& table = sort_table();
  const int nk = it.ndim - 1;
  Lines l;
  l.call = call;
  l.keys = &table.keys[in.dtype];
  l.bare = &table.order[l.keys->wide][0];
  l.packed = &table.order[l.keys->wide][1];
  l.n = it.size[nk];
  if (l.n >= INT64_C(0xffffffff)) return unsupported("lines of 2^32 elements");
  l.rows = product(it.size, 0, nk);
  l.across = nk ? it.size[nk - 1] : 1;
  l.size = dtype_size(in.dtype);
  auto matrix = [&](int k) {
    return Matrix{static_cast<char*>(call->t[k].data), nk ? it.stride[k][nk - 1] : 0, it.stride[k][nk],
                  dtype_size(call->t[k].dtype), nullptr};
  };
  l.values = matrix(0);
  l.indices = matrix(1);
  l.in = matrix(2);
  l.m = l.n;
  bool ok = true;
  switch (call->op->roles[0]) {
    case 's': ok = sort_lines(l, static_cast<int>(call->par[0].i)); break;
    case 't':
      l.m = call->par[0].i;
      if (l.m > 0) ok = top_lines(l, l.m, static_cast<int>(call->par[1].i));
      break;
    case 'n':
      l.m = 1;
      ok = nth_lines(l, call->par[0].i, static_cast<int>(call->par[1].i));
      break;
    case 'm':
      l.m = 1;
      ok = mode_lines(l);
      break;
    default:
      ok = each_line(l, 8 * l.n, 0, [&](const char* x, char* values, int64_t* indices, char*) {
        l.keys->running(x, l.n, static_cast<int>(call->par[0].i), values, indices);
      });
  }
  return ok ? GEMS_OK : failed("out of memory");
}

gems_status run_sort(const gems_call* call) {
  switch (call->op->roles[0]) {
    case 'u':
    case 'i':
    case 'b': return run_distinct(call);
    case 'f':
    case 'h':
    case 'z':
    case 'x': return run_search(call);
    default: return run_lines(call);
  }
}

}  // namespace gems::cpu
