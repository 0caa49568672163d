// Gather and scatter through offsets, for one instruction set.
#include "gems/dtype.h"
#include "kernels/simd/offsets.h"
#include "kernels/simd/unit_prologue.h"
namespace {
#include "kernels/lang/base.h"

template <class T, class O> void gather(void* dst, const void* src, const O* at, size_t n) {
  T* __restrict d = (T*)dst;
  const T* s = (const T*)src;
#pragma GCC ivdep
  for (size_t i = 0; i < n; i++) d[i] = s[at[i]];
}

// Integers wrap, minima and maxima keep a NaN; 16-bit floats are computed in float and rounded each time, as torch's loops do.
template <class T> struct wide { typedef T type; };
template <> struct wide<gems::bf16> { typedef float type; };
template <> struct wide<gems::f16> { typedef float type; };
template <> struct wide<int> { typedef gems::u32 type; };
template <> struct wide<gems::i64> { typedef gems::u64 type; };
struct set {
  template <class T> static GEMS_FN T of(T, T x) { return x; }
};
struct add {
  template <class T> static GEMS_FN T of(T old, T x) {
    typedef typename wide<T>::type W;
    return gems::to<T>((W)(gems::to<W>(old) + gems::to<W>(x)));
  }
};
struct mul {
  template <class T> static GEMS_FN T of(T old, T x) {
    typedef typename wide<T>::type W;
    return gems::to<T>((W)(gems::to<W>(old) * gems::to<W>(x)));
  }
};
template <class T> GEMS_FN auto ordered(T x) {
  if constexpr (gems::is_same<T, gems::bf16> || gems::is_same<T, gems::f16>) return gems::to<float>(x);
  else return x;
}
struct min {
  template <class T> static GEMS_FN T of(T old, T x) {
    const auto a = ordered(old), b = ordered(x), least = b < a ? b : a;  // one instruction, a where either is NaN
    return gems::to<T>(b != b ? b : least);
  }
};
struct max {
  template <class T> static GEMS_FN T of(T old, T x) {
    const auto a = ordered(old), b = ordered(x), most = b > a ? b : a;
    return gems::to<T>(b != b ? b : most);
  }
};

// Tiles of 16 by 16 bytes in registers of 16: four rounds of interleaving row i with row i + 8.
typedef unsigned char row16 __attribute__((vector_size(16)));
GEMS_FN void tile_bytes(const unsigned char* src, ptrdiff_t src_step, unsigned char* dst, ptrdiff_t dst_step) {
  row16 v[16], w[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; i++) __builtin_memcpy(&v[i], src + i * src_step, 16);
#pragma GCC unroll 4
  for (int round = 0; round < 4; round++) {
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
      w[2 * i] = __builtin_shufflevector(v[i], v[i + 8], 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
      w[2 * i + 1] = __builtin_shufflevector(v[i], v[i + 8], 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    }
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) v[i] = w[i];
  }
#pragma GCC unroll 16
  for (int i = 0; i < 16; i++) __builtin_memcpy(dst + i * dst_step, &v[i], 16);
}
void transpose_bytes(const void* src_, ptrdiff_t src_step, void* dst_, ptrdiff_t dst_step, size_t rows, size_t n) {
  const unsigned char* src = (const unsigned char*)src_;
  unsigned char* dst = (unsigned char*)dst_;
  const size_t whole_rows = rows / 16 * 16, whole_n = n / 16 * 16;
  // Lines of the result leave whole: where rows are a power of two apart they all fall into one set of the cache.
  for (size_t i = 0; i < whole_rows; i += 16)
    for (size_t j = 0; j < whole_n; j += 16) tile_bytes(src + j * src_step + i, src_step, dst + i * dst_step + j, dst_step);
  for (size_t j = 0; j < n; j++)
    for (size_t i = j < whole_n ? whole_rows : 0; i < rows; i++) dst[i * dst_step + j] = src[j * src_step + i];
}

template <class T, class C> void each(void* dst, const void* src, const int64_t* at, const int64_t* from, size_t n) {
  T* d = (T*)dst;
  const T* s = (const T*)src;
  for (size_t i = 0; i < n; i++) d[at[i]] = C::template of<T>(d[at[i]], s[from[i]]);
}
template <class T, class C> void row(void* dst, const void* src, ptrdiff_t step, size_t n) {
  T* d = (T*)dst;
  const T* s = (const T*)src;
  if (step == 1) {
#pragma GCC ivdep
    for (size_t i = 0; i < n; i++) d[i] = C::template of<T>(d[i], s[i]);
  } else if (step == 0) {
    const T x = s[0];
    for (size_t i = 0; i < n; i++) d[i] = C::template of<T>(d[i], x);
  } else {
    for (size_t i = 0; i < n; i++) d[i] = C::template of<T>(d[i], s[(ptrdiff_t)i * step]);
  }
}

// The steps of most calls are constants of their own loop.
template <class F> GEMS_FN int along(const gems_index_run& r, size_t n, F f) {
  const auto loop = [&](ptrdiff_t index_step, ptrdiff_t step, ptrdiff_t table_step, ptrdiff_t walked_step, int64_t wrap)
                        GEMS_LAMBDA_INLINE {
                          const int64_t* index = r.index;
                          const uint64_t limit = (uint64_t)r.limit;
                          for (size_t i = 0; i < n; i++) {
                            int64_t v = index[(ptrdiff_t)i * index_step];
                            v += v >> 63 & wrap;
                            if ((uint64_t)v >= limit) return 0;
                            f((ptrdiff_t)i * walked_step, v * step + (ptrdiff_t)i * table_step);
                          }
                          return 1;
                        };
  if (r.index_step == 1 && r.walked_step == 1 && r.table_step == 0)
    return r.step == 1 && !r.wrap ? loop(1, 1, 0, 1, 0) : loop(1, r.step, 0, 1, r.wrap);
  if (r.index_step == 1 && r.walked_step == 1 && r.table_step == 1) return loop(1, r.step, 1, 1, r.wrap);
  return loop(r.index_step, r.step, r.table_step, r.walked_step, r.wrap);
}
template <class T> int pick(void* walked, const void* table, const gems_index_run* r, size_t n) {
  T* d = (T*)walked;
  const T* s = (const T*)table;
  return along(*r, n, [&](ptrdiff_t i, int64_t at) GEMS_LAMBDA_INLINE { d[i] = s[at]; });
}
template <class T, class C> int put_run(void* table, const void* walked, const gems_index_run* r, size_t n) {
  T* d = (T*)table;
  const T* s = (const T*)walked;
  return along(*r, n, [&](ptrdiff_t i, int64_t at) GEMS_LAMBDA_INLINE { d[at] = C::template of<T>(d[at], s[i]); });
}

template <class T> void reverse(void* dst, const void* src, size_t n) {
  T* __restrict d = (T*)dst;
  const T* s = (const T*)src - (n - 1);
#pragma GCC ivdep
  for (size_t i = 0; i < n; i++) d[i] = s[n - 1 - i];
}
template <class T, class A> void fold(void* acc, ptrdiff_t acc_step, const void* src, ptrdiff_t step, size_t n) {
  A* a = (A*)acc;
  const T* s = (const T*)src;
  if (acc_step == 1 && step == 1) {
#pragma GCC ivdep
    for (size_t i = 0; i < n; i++) a[i] += gems::to<A>(s[i]);
  } else {
    for (ptrdiff_t i = 0; i < (ptrdiff_t)n; i++) a[i * acc_step] += gems::to<A>(s[i * step]);
  }
}

template <class T, class C> constexpr void put(gems_offsets_table& t, int dtype, int combine) {
  t.put[dtype][combine] = put_run<T, C>;
  t.each[dtype][combine] = each<T, C>;
  t.row[dtype][combine] = row<T, C>;
}
template <class T> constexpr void combines(gems_offsets_table& t, int dtype) {
  put<T, add>(t, dtype, GEMS_ADD);
  put<T, mul>(t, dtype, GEMS_MUL);
  put<T, min>(t, dtype, GEMS_MIN);
  put<T, max>(t, dtype, GEMS_MAX);
}
template <class T> constexpr void bits(gems_offsets_table& t, int log_size) {
  t.pick[log_size] = pick<T>;
  t.reverse[log_size] = reverse<T>;
  t.gather32[log_size] = gather<T, int32_t>;
  t.gather64[log_size] = gather<T, int64_t>;
  for (int d = 0; d < GEMS_CONVERT_DTYPES; d++)
    if (::gems::dtype_is_served(d) && ::gems::dtype_size(d) == 1 << log_size) put<T, set>(t, d, GEMS_SET);
}
constexpr gems_offsets_table make_table() {
  gems_offsets_table t{};
  t.transpose_bytes = transpose_bytes;
  bits<unsigned char>(t, 0);
  bits<unsigned short>(t, 1);
  bits<gems::u32>(t, 2);
  bits<gems::u64>(t, 3);
  combines<unsigned char>(t, GEMS_U8);
  combines<signed char>(t, GEMS_I8);
  combines<unsigned char>(t, GEMS_BOOL);  // bytes of 0 and 1: only MIN and MAX are asked for
  combines<short>(t, GEMS_I16);
  combines<int>(t, GEMS_I32);
  combines<gems::i64>(t, GEMS_I64);
  combines<gems::f16>(t, GEMS_F16);
  combines<gems::bf16>(t, GEMS_BF16);
  combines<float>(t, GEMS_F32);
  combines<double>(t, GEMS_F64);
  t.fold[GEMS_F32] = fold<float, float>;
  t.fold[GEMS_F16] = fold<gems::f16, float>;
  t.fold[GEMS_BF16] = fold<gems::bf16, float>;
  t.fold[GEMS_F64] = fold<double, double>;
  return t;
}
}  // namespace

extern "C" const gems_offsets_table GEMS_CAT(gems_offsets, _, GEMS_ISA);
const gems_offsets_table GEMS_CAT(gems_offsets, _, GEMS_ISA) = make_table();
