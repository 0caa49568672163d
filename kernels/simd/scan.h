// Inclusive scans for CPUs: dense rows in the compute type with a running carry. Included by generated units inside an unnamed namespace.
// combine() must also accept the compiler's vector types: one text for a lane and for a register.
#pragma once
#include "kernels/simd/lanes.h"

template <class T> struct carry_type { typedef T type; };
template <> struct carry_type<float> { typedef double type; };  // as torch: float32 accumulates in double on the CPU

#if defined(__GNUC__) && !defined(__clang__)
template <class T, int L> struct vector_of { typedef T type __attribute__((vector_size(L * sizeof(T)))); };

// One register: log2(L) shifted additions. The carry takes part in one addition a register only, so that its chain costs one latency
// for L elements instead of one an element.
template <class F, class T>
__attribute__((flatten)) static typename carry_type<T>::type scan_row(const T* in, T* out, size_t n,
                                                                      typename carry_type<T>::type carry) {
  typedef typename carry_type<T>::type W;
  constexpr int L = kLanes<W>;
  typedef register_of<W> V;
  typedef typename vector_of<T, L>::type S;
  typedef register_of<typename integer_of<sizeof(W)>::type> Mask;
  const V identity = F::template identity<W>() - V{};
  V before = carry - V{};
  size_t i = 0;
  for (; i + L <= n; i += L) {
    S s;
    __builtin_memcpy(&s, in + i, sizeof(S));
    V v = __builtin_convertvector(s, V);
#pragma GCC unroll 4
    for (int d = 1; d < L; d *= 2) {
      Mask m;
      for (int l = 0; l < L; l++) m[l] = l < d ? l : L + l - d;
      v = F::template combine<V>(__builtin_shuffle(identity, v, m), v);
    }
    const V total = v[L - 1] - V{};
    s = __builtin_convertvector(F::template combine<V>(before, v), S);
    __builtin_memcpy(out + i, &s, sizeof(S));
    before = F::template combine<V>(before, total);
  }
  carry = before[0];
  for (; i < n; i++) {
    carry = F::template combine<W>(carry, (W)in[i]);
    out[i] = (T)carry;
  }
  return carry;
}
#else
template <class F, class T>
__attribute__((flatten)) static typename carry_type<T>::type scan_row(const T* in, T* out, size_t n,
                                                                      typename carry_type<T>::type carry) {
  typedef typename carry_type<T>::type W;
  for (size_t i = 0; i < n; i++) {
    carry = F::template combine<W>(carry, (W)in[i]);
    out[i] = (T)carry;
  }
  return carry;
}
#endif

// log(sum(exp)) by blocks around the greatest element so far: one exponential and one logarithm an element, and a chain of additions only.
// Blocks that are too wide for that to be exact (e^-30 beside 1 in double), or with NaN or infinities, go step by step.
template <class F, class T> __attribute__((flatten)) static double scan_log(const T* in, T* out, size_t n, double carry) {
  constexpr size_t B = 64;
  double x[B], s[B];
  for (size_t i = 0; i < n; i += B) {
    const size_t m = n - i < B ? n - i : B;
    double high = carry, low = in[i], probe = 0;
    for (size_t l = 0; l < B; l++) x[l] = (double)in[i + (l < m ? l : 0)];
    for (size_t l = 0; l < B; l++) {
      high = x[l] > high ? x[l] : high;
      low = x[l] < low ? x[l] : low;
      probe += x[l] * 0;
    }
    if (!(probe == 0) || !(high - low < 30)) {
      for (size_t l = 0; l < m; l++) out[i + l] = (T)(carry = F::template combine<double>(carry, x[l]));
      continue;
    }
    for (size_t l = 0; l < B; l++) s[l] = gems::exp(x[l] - high);
    double sum = gems::exp(carry - high);
    for (size_t l = 0; l < m; l++) s[l] = sum += s[l];
    for (size_t l = m; l < B; l++) s[l] = sum;
    for (size_t l = 0; l < B; l++) s[l] = high + gems::log(s[l]);
    for (size_t l = 0; l < m; l++) out[i + l] = (T)s[l];
    carry = s[m - 1];
  }
  return carry;
}

template <class F, class T>
static void scan_inner(const void* in, ptrdiff_t in_step, void* out, ptrdiff_t out_step, size_t rows, size_t n, void* carry_) {
  auto carry = (typename carry_type<T>::type*)carry_;
  if constexpr (requires { F::log_sum; })
    for (size_t r = 0; r < rows; r++)
      carry[r] = scan_log<F, T>((const T*)in + (ptrdiff_t)r * in_step, (T*)out + (ptrdiff_t)r * out_step, n, carry[r]);
  else
    for (size_t r = 0; r < rows; r++)
      carry[r] = scan_row<F, T>((const T*)in + (ptrdiff_t)r * in_step, (T*)out + (ptrdiff_t)r * out_step, n, carry[r]);
}
template <class F, class T> __attribute__((flatten)) static void scan_outer(const void* in_, ptrdiff_t in_step, void* out_,
                                                                            ptrdiff_t out_step, size_t rows, size_t n,
                                                                            void* carry_) {
  typedef typename carry_type<T>::type W;
  W* carry = (W*)carry_;
  for (size_t r = 0; r < rows; r++) {
    const T* in = (const T*)in_ + (ptrdiff_t)r * in_step;
    T* out = (T*)out_ + (ptrdiff_t)r * out_step;
#pragma GCC ivdep
    for (size_t j = 0; j < n; j++) {
      const W w = F::template combine<W>(carry[j], (W)in[j]);
      carry[j] = w;
      out[j] = (T)w;
    }
  }
}
template <class F, class T> __attribute__((flatten)) static void scan_carry(const void* in, ptrdiff_t, void*, ptrdiff_t,
                                                                            size_t rows, size_t n, void* carry_) {
  typedef typename carry_type<T>::type W;
  W* carry = (W*)carry_;
  if (rows == 0)
    for (size_t j = 0; j < n; j++) carry[j] = F::template identity<W>();
  else
    for (size_t j = 0; j < n; j++) carry[j] = F::template combine<W>(carry[j], ((const W*)in)[j]);
}
template <class F, class T> __attribute__((flatten)) static void scan_total(const void* in_, ptrdiff_t in_step, void*, ptrdiff_t,
                                                                            size_t rows, size_t n, void* carry_) {
  typedef typename carry_type<T>::type W;
  W* carry = (W*)carry_;
  for (size_t r = 0; r < rows; r++) {
    const T* in = (const T*)in_ + (ptrdiff_t)r * in_step;
    carry[r] =
        F::template combine<W>(carry[r], fold(
                                             n, F::template identity<W>(), [&](size_t i) GEMS_LAMBDA_INLINE { return (W)in[i]; },
                                             [](W x, W y) GEMS_LAMBDA_INLINE { return F::template combine<W>(x, y); }));
  }
}

template <class F, class T> constexpr void add_scan(gems_any_fn (&fn)[GEMS_CELL_KINDS]) {
  fn[GEMS_SCAN_INNER] = (gems_any_fn)scan_inner<F, T>;
  fn[GEMS_SCAN_OUTER] = (gems_any_fn)scan_outer<F, T>;
  fn[GEMS_SCAN_TOTAL] = (gems_any_fn)scan_total<F, T>;
  fn[GEMS_SCAN_CARRY] = (gems_any_fn)scan_carry<F, T>;
}
template <class F> constexpr gems_cpu_cells scan_cells() {
  gems_cpu_cells c{};
  constexpr const char* t = F::decl.types;
  if constexpr (declares(t, 'f')) add_scan<F, float>(c.fn[GEMS_CELL_F32]);
  if constexpr (declares(t, 'd')) add_scan<F, double>(c.fn[GEMS_CELL_F64]);
  if constexpr (declares(t, 'l')) add_scan<F, gems::i64>(c.fn[GEMS_CELL_I64]);
  if constexpr (declares(t, 'i')) add_scan<F, gems::i32>(c.fn[GEMS_CELL_I32]);
  return c;
}
