// Binary search in bounds, and picking elements by flags, for one instruction set.
#include "kernels/simd/unit_prologue.h"
namespace {
#include "kernels/lang/base.h"

// Several searches side by side hide the latency of their loads; each takes exactly the steps of the textbook's loop.
template <class A, class T, bool SORTER, class O>
void search_in(const T* bounds, const int64_t* sorter, size_t m, const T* values, size_t n, bool right, O* out) {
  constexpr int L = 8;
  typedef uint32_t U;  // m < 2^32
  for (size_t i = 0; i < n; i += L) {
    const int lanes = n - i < (size_t)L ? (int)(n - i) : L;
    A v[L];
    U start[L], length[L];
#pragma GCC unroll 8
    for (int l = 0; l < L; l++) {
      v[l] = gems::to<A>(values[i + (l < lanes ? l : 0)]);
      start[l] = 0;
      length[l] = (U)m;
    }
    for (size_t step = m; step > 0; step >>= 1) {
#pragma GCC unroll 8
      for (int l = 0; l < L; l++) {
        const U half = length[l] >> 1, mid = start[l] + half, at = mid < (U)m ? mid : (U)m - 1;
        const A b = gems::to<A>(bounds[SORTER ? (size_t)sorter[at] : (size_t)at]);
        const U further = -(U)((length[l] != 0) & !(right ? b > v[l] : b >= v[l]));  // all ones or zero: a mask, no branch
        start[l] = (start[l] & ~further) | ((mid + 1) & further);
        length[l] = half - ((U)(half + half == length[l]) & further);
      }
    }
    for (int l = 0; l < lanes; l++) out[i + l] = (O)start[l];
  }
}
template <class A, class T>
void search(const void* bounds, const int64_t* sorter, size_t m, const void* values, size_t n, int right, void* out, int narrow) {
  const T *b = (const T*)bounds, *v = (const T*)values;
  if (narrow) {
    if (sorter) search_in<A, T, true>(b, sorter, m, v, n, right, (int*)out);
    else search_in<A, T, false>(b, sorter, m, v, n, right, (int*)out);
  } else {
    if (sorter) search_in<A, T, true>(b, sorter, m, v, n, right, (int64_t*)out);
    else search_in<A, T, false>(b, sorter, m, v, n, right, (int64_t*)out);
  }
}

// Written without a branch, one behind the last is room that the next element takes: the last of all is kept apart.
template <class T> size_t pick(const void* in_, const uint8_t* flags, size_t n, void* out_) {
  const T* in = (const T*)in_;
  T* out = (T*)out_;
  size_t m = 0, last = n;
  while (last > 0 && !flags[last - 1]) last--;
  for (size_t i = 0; i < last; i++) {
    out[m] = in[i];
    m += flags[i];
  }
  return m;
}
size_t positions(const uint8_t* flags, size_t n, int64_t first, int64_t* out) {
  size_t m = 0, last = n;
  while (last > 0 && !flags[last - 1]) last--;
  for (size_t i = 0; i < last; i++) {
    out[m] = first + (int64_t)i;
    m += flags[i];
  }
  return m;
}
size_t count(const uint8_t* flags, size_t n) {
  size_t c = 0;
  for (size_t i = 0; i < n; i += 64) {  // so few that bytes hold the sum
    uint8_t s = 0;
    const size_t end = i + 64 < n ? i + 64 : n;
    for (size_t j = i; j < end; j++) s = (uint8_t)(s + flags[j]);
    c += s;
  }
  return c;
}
constexpr gems_search_table make() {
  gems_search_table t{};
  t.fn[GEMS_BOOL] = t.fn[GEMS_U8] = search<int, uint8_t>;
  t.fn[GEMS_I8] = search<int, int8_t>;
  t.fn[GEMS_I16] = search<int, int16_t>;
  t.fn[GEMS_I32] = search<int, int>;
  t.fn[GEMS_I64] = search<int64_t, int64_t>;
  t.fn[GEMS_F16] = search<float, gems::f16>;
  t.fn[GEMS_BF16] = search<float, gems::bf16>;
  t.fn[GEMS_F32] = search<float, float>;
  t.fn[GEMS_F64] = search<double, double>;
  t.pick[0] = pick<uint8_t>;
  t.pick[1] = pick<uint16_t>;
  t.pick[2] = pick<uint32_t>;
  t.pick[3] = pick<uint64_t>;
  t.positions = positions;
  t.count = count;
  return t;
}
}  // namespace

extern "C" const gems_search_table GEMS_CAT(gems_searching, _, GEMS_ISA);
const gems_search_table GEMS_CAT(gems_searching, _, GEMS_ISA) = make();
