// Shared by the skeletons that move elements one to one (pointwise, index, create): vectors of storage types, values in the
// arguments, division by a number that the host knows.
#pragma once
#include "kernels/lang/lang.h"

namespace gems::simt {

// How an element lies in memory. bool is read as its byte: memory that was viewed as bool may hold other bytes than 0 and 1.
template <class T> struct stored { typedef T type; };
template <> struct stored<bool> { typedef unsigned char type; };
template <class T> using stored_t = typename stored<T>::type;

// As an input's dtype: S, whose values pass through V on the way to the compute type (int8 beside a 0-d int64 of 300).
template <class V, class S> struct Via { typename stored<S>::type raw; };
template <class V, class S> struct stored<Via<V, S>> { typedef typename stored<S>::type type; };
template <class T> struct via_of;
template <class V, class S> struct via_of<Via<V, S>> {
  typedef V value;
  typedef S memory;
};
template <class T> inline constexpr bool is_via = false;
template <class V, class S> inline constexpr bool is_via<Via<V, S>> = true;

// N adjacent elements that move in one access of up to 16 bytes.
template <class T, int N> struct alignas(sizeof(T) * N < 16 ? sizeof(T) * N : 16) Vec { stored_t<T> v[N]; };

// N elements of T that only move: words, so that bytes aren't taken apart.
template <int BYTES> struct word { typedef u32 type; };
template <> struct word<1> { typedef unsigned char type; };
template <> struct word<2> { typedef unsigned short type; };
template <class T, int N> struct alignas(sizeof(T) * N < 16 ? sizeof(T) * N : 16) Raw {
  typename word<sizeof(T) * N>::type w[(sizeof(T) * N + 3) / 4];
};

// An element in the compute type, and back as torch converts: a float that becomes uint8 goes through int64 (-1.0 is 255).
template <class T, class C> GEMS_FN stored_t<T> store_as(C x) {
  if constexpr (is_same<T, unsigned char> && is_float<C>) return (unsigned char)(i64)x;
  else return (stored_t<T>)to<T>(x);
}
template <class C, class T> GEMS_FN C load_as(stored_t<T> x) {
  if constexpr (is_via<T>) {
    typedef typename via_of<T>::value V;
    typedef typename via_of<T>::memory M;
    typedef typename acc<M>::type A;  // holds every value of M
    return load_as<C, V>(store_as<V>(load_as<A, M>(x)));
  } else if constexpr (is_same<T, bool>) return to<C>(x != 0);
  else return to<C>(x);
}
// Element i of a vector. bf16 from the word that holds it: one instruction, where the upper half alone would take two.
template <class C, class T, int N> GEMS_FN C element(const Vec<T, N>& x, int i) {
#if GEMS_DEVICE
  if constexpr (is_same<T, bf16> && is_same<C, float> && N % 2 == 0) {
    struct alignas(alignof(Vec<T, N>)) W {
      u32 w[N / 2];
    };
    const u32 w = __builtin_bit_cast(W, x).w[i / 2];
    return __builtin_bit_cast(float, i % 2 ? w & 0xffff0000u : w << 16);
  }
#endif
  return load_as<C, T>(x.v[i]);
}
// A vector from compute values; pairs of bf16 and f16 share one instruction (cvt.rn.bf16x2: sm_80 and later).
template <class T, int N, class C> GEMS_FN Vec<T, N> store_vec(const C (&x)[N]) {
  Vec<T, N> r;
#if GEMS_DEVICE
  if constexpr (N % 2 == 0 && is_same<C, float> && (is_same<T, bf16> || is_same<T, f16>)) {
#pragma unroll
    for (int i = 0; i < N; i += 2) {
      u32 w;
      if constexpr (is_same<T, bf16>) asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(w) : "f"(x[i + 1]), "f"(x[i]));
      else asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(w) : "f"(x[i + 1]), "f"(x[i]));
      r.v[i].bits = (unsigned short)w;
      r.v[i + 1].bits = (unsigned short)(w >> 16);
    }
    return r;
  }
#endif
#pragma unroll
  for (int i = 0; i < N; i++) r.v[i] = store_as<T>(x[i]);
  return r;
}

// A number of the call as the host wrote it: the compute type's bytes in the low end of 8.
template <class C> GEMS_FN C number(u64 bits) {
  if constexpr (is_same<C, float>) return __builtin_bit_cast(float, (u32)bits);
  else if constexpr (is_same<C, double>) return __builtin_bit_cast(double, bits);
  else return (C)bits;
}

// n / d for n < 2^31 by one multiplication (the host finds mul and shift: backends/cuda/geometry.h).
struct Div {
  u32 d, mul, shift;
  GEMS_FN u32 of(u32 n) const {
#if GEMS_DEVICE
    return (__umulhi(n, mul) + n) >> shift;
#else
    return (u32)(((((u64)n * mul) >> 32) + n) >> shift);
#endif
  }
};

// ---- between one grid and the next on the stream ----
// The backend lets a grid start while the grid in front of it still runs (backends/cuda/jit.cpp, launch). Until this returns, a
// kernel may do no more than arithmetic and prefetches into L2; afterwards everything that grid wrote is there.
GEMS_FN void wait_for_previous() {
#if GEMS_DEVICE && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}
// The next grid may start as soon as every block of this one has come here or ended.
GEMS_FN void let_next_start() {
#if GEMS_DEVICE && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}
// Brings memory into L2. p and bytes: multiples of 16, bytes < 2^20.
GEMS_FN void prefetch_l2(const void* p, u32 bytes) {
#if GEMS_DEVICE && __CUDA_ARCH__ >= 900
  asm volatile("cp.async.bulk.prefetch.L2.global [%0], %1;" ::"l"(p), "r"(bytes) : "memory");
#endif
}

template <int K, class H, class... R> struct nth_type { typedef typename nth_type<K - 1, R...>::type type; };
template <class H, class... R> struct nth_type<0, H, R...> { typedef H type; };
template <int K, class... T> using nth = typename nth_type<K, T...>::type;
template <int... I> struct ints {};
template <int N, int... I> struct make_ints : make_ints<N - 1, N - 1, I...> {};
template <int... I> struct make_ints<0, I...> { typedef ints<I...> type; };

}  // namespace gems::simt
