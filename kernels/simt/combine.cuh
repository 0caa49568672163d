// How a scattered element meets the one in memory, while other threads may meet it too.
#pragma once
#include "kernels/simt/common.cuh"

namespace gems::simt {

template <class T> struct wide { typedef T type; };
template <> struct wide<bf16> { typedef float type; };
template <> struct wide<f16> { typedef float type; };
template <class T> GEMS_FN typename wide<T>::type widen(T x) { return to<typename wide<T>::type>(x); }

struct combine_set {};
struct combine_add {
  template <class T> static GEMS_FN T of(T old, T x) { return to<T>((typename wide<T>::type)(widen(old) + widen(x))); }
};
struct combine_mul {
  template <class T> static GEMS_FN T of(T old, T x) { return to<T>((typename wide<T>::type)(widen(old) * widen(x))); }
};
struct combine_min {  // a NaN stays
  template <class T> static GEMS_FN T of(T old, T x) { return widen(x) < widen(old) || widen(x) != widen(x) ? x : old; }
};
struct combine_max {
  template <class T> static GEMS_FN T of(T old, T x) { return widen(x) > widen(old) || widen(x) != widen(x) ? x : old; }
};

// By comparing and swapping the word that holds the element.
template <class C, class T> GEMS_FN void swap_in(T* p, T x) {
  if constexpr (sizeof(T) == 8) {
    u64* a = reinterpret_cast<u64*>(p);
    for (u64 seen = *reinterpret_cast<volatile u64*>(a);;) {
      const u64 now = __builtin_bit_cast(u64, C::template of<T>(__builtin_bit_cast(T, seen), x));
      if (now == seen) return;
      const u64 old = atomicCAS(a, seen, now);
      if (old == seen) return;
      seen = old;
    }
  } else {
    typedef typename word<sizeof(T)>::type W;
    u32* a = reinterpret_cast<u32*>(reinterpret_cast<u64>(p) & ~(u64)3);
    const u32 shift = (u32)(reinterpret_cast<u64>(p) & 3) * 8, mask = (~0u >> (32 - 8 * sizeof(T))) << shift;
    for (u32 seen = *reinterpret_cast<volatile u32*>(a);;) {
      const T mine = __builtin_bit_cast(T, (W)((seen & mask) >> shift));
      const u32 now = (seen & ~mask) | (u32) __builtin_bit_cast(W, C::template of<T>(mine, x)) << shift;
      if (now == seen) return;
      const u32 old = atomicCAS(a, seen, now);
      if (old == seen) return;
      seen = old;
    }
  }
}

#if GEMS_DEVICE
// A pair of 16-bit floats in one instruction: `pair` holds the element at p in its half and -0 in the other, which changes nothing.
template <class T> GEMS_FN void add_half(T* p, T x) {
  const u64 at = reinterpret_cast<u64>(p);
  const u32 pair = at & 2 ? (u32)x.bits << 16 | 0x8000u : 0x80000000u | x.bits;
  if constexpr (is_same<T, f16>) asm volatile("red.global.add.noftz.f16x2 [%0], %1;" ::"l"(at & ~(u64)3), "r"(pair) : "memory");
#if __CUDA_ARCH__ >= 900
  else asm volatile("red.global.add.noftz.bf16x2 [%0], %1;" ::"l"(at & ~(u64)3), "r"(pair) : "memory");
#else
  else swap_in<combine_add>(p, x);
#endif
}
#endif

template <class C, class T> GEMS_FN void combine(T* p, T x) {
  if constexpr (is_same<C, combine_set>) *p = x;
#if GEMS_DEVICE
  else if constexpr (is_same<C, combine_add> && (is_same<T, float> || is_same<T, double> || is_same<T, int>)) atomicAdd(p, x);
  else if constexpr (is_same<C, combine_add> && is_same<T, i64>) atomicAdd(reinterpret_cast<u64*>(p), (u64)x);
  else if constexpr (is_same<C, combine_add> && (is_same<T, f16> || is_same<T, bf16>)) add_half(p, x);
  else if constexpr (is_same<C, combine_min> && (is_same<T, int> || is_same<T, i64>)) atomicMin(p, x);
  else if constexpr (is_same<C, combine_max> && (is_same<T, int> || is_same<T, i64>)) atomicMax(p, x);
#endif
  else swap_in<C>(p, x);
}

}  // namespace gems::simt
