// searchsorted, bucketize, histc; inputs and outputs are dense.
#include "backends/cpu/sort.h"

#define GEMS_DECLARE(isa) extern "C" const gems_search_table gems_searching_##isa;
GEMS_FOR_EACH_ISA(GEMS_DECLARE)
#undef GEMS_DECLARE

namespace gems::cpu {

namespace {

constexpr int64_t kPart = 32768, kBlock = 4096;

const gems_search_table& search_table() {
#define GEMS_ADDRESS(isa) &gems_searching_##isa,
  static constexpr const gems_search_table* tables[] = {GEMS_FOR_EACH_ISA(GEMS_ADDRESS)};
#undef GEMS_ADDRESS
  return *tables[isa()];
}

// t = out, bounds, values, sorter or ABSENT; par = right, values of a row (the bounds have as many rows, or one).
gems_status find(const gems_call* call) {
  const gems_tensor &out = call->t[0], &bounds = call->t[1], &values = call->t[2], &sorter = call->t[3];
  if (call->par[2].i >= INT64_C(0xffffffff)) return unsupported("2^32 bounds");
  const gems_search_fn f = search_table().fn[bounds.dtype];
  const int right = static_cast<int>(call->par[0].i), narrow = out.dtype == GEMS_I32, size = dtype_size(bounds.dtype);
  const int64_t n = call->par[1].i, m = call->par[2].i, rows = values.numel / n;
  const bool shared = bounds.numel == m;
  const char *b = static_cast<const char*>(bounds.data), *v = static_cast<const char*>(values.data);
  const int64_t* order = sorter.flags & GEMS_T_ABSENT ? nullptr : static_cast<const int64_t*>(sorter.data);
  char* o = static_cast<char*>(out.data);
  const int64_t piece = std::min(n, kBlock), pieces = (n + piece - 1) / piece;
  parallel_items(rows * pieces, piece * 64, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      const int64_t row = i / pieces, from = i % pieces * piece, at = row * n + from, bound = shared ? 0 : row * m;
      f(b + bound * size, order ? order + bound : nullptr, m, v + at * size, std::min(piece, n - from), right,
        o + at * (narrow ? 4 : 8), narrow);
    }
  });
  return GEMS_OK;
}

// t = out, in; par = bins, min, max (.d); equal ones: the range of the values. torch's arithmetic, in the dtype of the input.
template <class T> gems_status histogram(const gems_call* call) {
  const gems_tensor &out = call->t[0], &in = call->t[1];
  const T* x = static_cast<const T*>(in.data);
  const int64_t n = in.numel, bins = call->par[0].i, parts = parts_of(n, kPart);
  T lo = static_cast<T>(call->par[1].d), hi = static_cast<T>(call->par[2].d);
  if (lo == hi && n > 0) {
    T los[64], his[64];
    parallel(parts, 1, [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; p++) {
        T least = x[0], most = x[0];
        for (int64_t i = part(n, parts, p); i < part(n, parts, p + 1); i++) {
          if (!(x[i] - x[i] == 0)) least = x[i] - x[i];  // NaN from here on
          least = x[i] < least ? x[i] : least;
          most = x[i] > most ? x[i] : most;
        }
        los[p] = least, his[p] = most;
      }
    });
    lo = los[0], hi = his[0];
    for (int64_t p = 0; p < parts; p++) {
      if (los[p] != los[p]) return unsupported("a range that isn't finite: torch's error");
      lo = std::min(lo, los[p]), hi = std::max(hi, his[p]);
    }
  }
  if (lo == hi) lo -= 1, hi += 1;
  if (!(lo <= hi) || !(hi - lo < static_cast<T>(1) / 0)) return unsupported("a range that isn't finite: torch's error");
  Memory memory;
  int64_t* counts = reinterpret_cast<int64_t*>(memory.take(parts * bins * 8));
  if (!counts) return failed("out of memory");
  std::memset(counts, 0, parts * bins * 8);
  parallel(parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; p++) {
      int64_t* c = counts + p * bins;
      for (int64_t i = part(n, parts, p); i < part(n, parts, p + 1); i++) {
        if (!(x[i] >= lo && x[i] <= hi)) continue;
        const int64_t at = static_cast<int64_t>((x[i] - lo) * static_cast<T>(bins) / (hi - lo));
        c[std::min(at, bins - 1)]++;
      }
    }
  });
  T* to = static_cast<T*>(out.data);
  for (int64_t i = 0; i < bins; i++) {
    int64_t sum = 0;
    for (int64_t p = 0; p < parts; p++) sum += counts[p * bins + i];
    to[i] = static_cast<T>(sum);
  }
  return GEMS_OK;
}

}  // namespace

gems_status run_search(const gems_call* call) {
  switch (call->op->roles[0]) {
    case 'f': return find(call);
    case 'h': return call->t[1].dtype == GEMS_F32 ? histogram<float>(call) : histogram<double>(call);
    default: return unsupported("operator of the sort family");
  }
}

}  // namespace gems::cpu
