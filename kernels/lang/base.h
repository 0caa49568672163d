// The device vocabulary, part 1: qualifiers, storage types and conversions. One text for g++ (each instruction set) and NVRTC.
// CPU units include everything inside an unnamed namespace, so no system header may appear here.
#pragma once

#if defined(__CUDACC_RTC__) || defined(__CUDACC__)
#define GEMS_FN __device__ __forceinline__
#define GEMS_DEVICE 1
#else
#define GEMS_FN inline __attribute__((always_inline))
#define GEMS_DEVICE 0
#endif

namespace gems {

typedef long long i64;
typedef unsigned long long u64;
typedef int i32;
typedef unsigned int u32;

// 16-bit floats in memory. Arithmetic happens in float after `to<float>`.
struct bf16 {
  unsigned short bits;
};
struct f16 {
  unsigned short bits;
};

template <class T, class U> struct same_type { static constexpr bool value = false; };
template <class T> struct same_type<T, T> { static constexpr bool value = true; };
template <class T, class U> inline constexpr bool is_same = same_type<T, U>::value;
template <class T> inline constexpr bool is_float = is_same<T, float> || is_same<T, double>;

template <class T> GEMS_FN T select(bool c, T a, T b) { return c ? a : b; }
GEMS_FN bool select(bool c, bool a, bool b) { return (c & a) | (!c & b); }  // g++ doesn't vectorise a ?: of bools

GEMS_FN int to_bits(float x) { return __builtin_bit_cast(int, x); }
GEMS_FN i64 to_bits(double x) { return __builtin_bit_cast(i64, x); }
GEMS_FN float from_bits(int x) { return __builtin_bit_cast(float, x); }
GEMS_FN double from_bits(i64 x) { return __builtin_bit_cast(double, x); }

// ---- conversions between storage and compute types; float -> bf16/f16 rounds to nearest even, as torch does ----
GEMS_FN float bf16_to_float(bf16 x) { return __builtin_bit_cast(float, (u32)x.bits << 16); }
GEMS_FN bf16 float_to_bf16(float x) {
  u32 u = __builtin_bit_cast(u32, x);
  u32 r = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
  return bf16{(unsigned short)(x != x ? 0x7fc0u : r)};
}
#if GEMS_DEVICE
GEMS_FN float f16_to_float(f16 x) {
  float r;
  asm("cvt.f32.f16 %0, %1;" : "=f"(r) : "h"(x.bits));
  return r;
}
GEMS_FN f16 float_to_f16(float x) {
  f16 r;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(r.bits) : "f"(x));
  return r;
}
#else
// Branch-free integer forms: they vectorise in every unit, F16C or not.
GEMS_FN float f16_to_float(f16 x) {
  u32 h = x.bits, em = (h & 0x7fffu) << 13, sign = (h & 0x8000u) << 16;
  float sub = __builtin_bit_cast(float, em + 0x38800000u) - __builtin_bit_cast(float, 0x38800000u);  // zero and denormals
  u32 norm = em + 0x38000000u, special = em + 0x70000000u;
  u32 r = em < 0x00800000u ? __builtin_bit_cast(u32, sub) : norm;
  r = em >= 0x0f800000u ? special : r;
  return __builtin_bit_cast(float, r | sign);
}
GEMS_FN f16 float_to_f16(float x) {
  u32 u = __builtin_bit_cast(u32, x), sign = u & 0x80000000u, a = u ^ sign;
  u32 normal = (a - 0x38000000u + 0xfffu + ((a >> 13) & 1u)) >> 13;
  u32 sub = __builtin_bit_cast(u32, __builtin_bit_cast(float, a) + 0.5f) - 0x3f000000u;  // the addition rounds for us
  u32 r = a < 0x38800000u ? sub : normal;
  r = a >= 0x47800000u ? 0x7c00u : r;  // 65536 and more; 65520..65535 reach 0x7c00 by carry
  r = a > 0x7f800000u ? 0x7e00u : r;
  return f16{(unsigned short)(r | (sign >> 16))};
}
#endif

// to<T>(x): from any storage or compute type to any other. bool means "not zero".
template <class T> struct conv {
  template <class S> static GEMS_FN T from(S x) { return (T)x; }
  static GEMS_FN T from(bf16 x) { return (T)bf16_to_float(x); }
  static GEMS_FN T from(f16 x) { return (T)f16_to_float(x); }
};
template <> struct conv<bool> {
  template <class S> static GEMS_FN bool from(S x) { return x != (S)0; }
  static GEMS_FN bool from(bf16 x) { return (x.bits & 0x7fffu) != 0; }
  static GEMS_FN bool from(f16 x) { return (x.bits & 0x7fffu) != 0; }
};
template <> struct conv<bf16> {
  template <class S> static GEMS_FN bf16 from(S x) { return float_to_bf16((float)x); }
  static GEMS_FN bf16 from(bf16 x) { return x; }
  static GEMS_FN bf16 from(f16 x) { return float_to_bf16(f16_to_float(x)); }
};
template <> struct conv<f16> {
  template <class S> static GEMS_FN f16 from(S x) { return float_to_f16((float)x); }
  static GEMS_FN f16 from(f16 x) { return x; }
  static GEMS_FN f16 from(bf16 x) { return float_to_f16(bf16_to_float(x)); }
};
template <class T, class S> GEMS_FN T to(S x) { return conv<T>::from(x); }

// Identities of max and min in a compute type.
template <class T> GEMS_FN T highest() {
  if constexpr (is_same<T, float>) return __builtin_bit_cast(float, 0x7f800000);
  else if constexpr (is_same<T, double>) return __builtin_bit_cast(double, 0x7ff0000000000000LL);
  else return (T)((((u64)1) << (8 * sizeof(T) - 1)) - 1);
}
template <class T> GEMS_FN T lowest() {
  if constexpr (is_float<T>) return -highest<T>();
  else return (T)(-highest<T>() - 1);
}

// The compute type of a storage type: 16-bit floats in float, integers in i64 (reductions) and so on.
template <class T> struct acc { typedef i64 type; };
template <> struct acc<float> { typedef float type; };
template <> struct acc<bf16> { typedef float type; };
template <> struct acc<f16> { typedef float type; };
template <> struct acc<double> { typedef double type; };

}  // namespace gems
