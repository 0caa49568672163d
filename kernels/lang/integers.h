// The device vocabulary, part 3: division and powers of i32 and i64. What overflows wraps, as in torch; a divisor of 0 is the
// caller's to find (functors: `invalid`).
//
// A CPU has no vector division of integers, so the host's forms divide in double. That is exact for numbers below 2^53: a quotient
// that isn't an integer differs from the next one by 1/x of itself, more than the rounding of the division. 64-bit numbers beyond
// 2^51, where the conversion by addition ends, are `rare`.
#pragma once
#include "kernels/lang/math.h"

namespace gems {

template <class V>
concept integer = is_same<V, i32> || is_same<V, i64>;
template <class V> struct wrapping;
template <> struct wrapping<i32> { typedef u32 type; };
template <> struct wrapping<i64> { typedef u64 type; };
template <integer V> GEMS_FN V wrap_mul(V a, V b) {
  typedef typename wrapping<V>::type U;
  return (V)((U)a * (U)b);
}
template <integer V> GEMS_FN V wrap_neg(V a) {
  typedef typename wrapping<V>::type U;
  return (V)(U(0) - (U)a);
}

// One element: the processor's division, but the smallest number by -1 doesn't trap. Powers by squaring; of a negative exponent what
// is left of 1 / x^-y.
namespace exact {
template <integer V> GEMS_FN V divide_trunc(V x, V y) { return y == V(-1) ? wrap_neg(x) : x / y; }
template <integer V> GEMS_FN V fmod(V x, V y) { return y == V(-1) ? V(0) : x % y; }
template <integer V> GEMS_FN V pow(V x, V y) {
  if (y < V(0)) return x == V(1) ? x : x == V(-1) ? (y & 1 ? x : V(1)) : V(0);
  V r = 1;
  for (; y; y >>= 1) {
    if (y & 1) r = wrap_mul(r, x);
    x = wrap_mul(x, x);
  }
  return r;
}
}  // namespace exact

// ---- shifts: too far, or by a negative number, everything goes (left) or only the sign stays (right). In i32 that is also right for
// narrower integers, whose bits beyond their width are dropped.
template <integer V> GEMS_FN V shift_left(V x, V y) {
  typedef typename wrapping<V>::type U;
  constexpr U bits = 8 * sizeof(V);
  return select((U)y < bits, (V)((U)x << ((U)y & (bits - 1))), V(0));
}
template <integer V> GEMS_FN V shift_right(V x, V y) {
  typedef typename wrapping<V>::type U;
  constexpr U bits = 8 * sizeof(V);
  return x >> select((U)y < bits, (U)y, bits - 1);
}

// ---- greatest common divisor: Stein's binary algorithm ("Computational problems associated with Racah algebra", 1967). A loop: it has
// no vector form that ends when all elements have. 16 ns an element for numbers below 1000, 44 below 10^9; by Euclid's divisions 22 and 59 (g++
// 12, one core of a Zen 5).
GEMS_FN int trailing_zeros(u32 x) {
#if GEMS_DEVICE
  return __ffs((int)x) - 1;
#else
  return __builtin_ctz(x);
#endif
}
GEMS_FN int trailing_zeros(u64 x) {
#if GEMS_DEVICE
  return __ffsll((i64)x) - 1;
#else
  return __builtin_ctzll(x);
#endif
}
template <integer V> GEMS_FN V gcd(V x, V y) {
  typedef typename wrapping<V>::type U;
  U a = (U)(x < V(0) ? wrap_neg(x) : x), b = (U)(y < V(0) ? wrap_neg(y) : y);
  if (a == 0 || b == 0) return (V)(a | b);
  const int twos = trailing_zeros(a | b);
  a >>= trailing_zeros(a);
  b >>= trailing_zeros(b);
  while (a != b) {  // the shift is known from the difference before its sign is
    const U d = a - b, less = U(0) - (U)(a < b);
    b += d & less;
    a = ((d ^ less) - less) >> trailing_zeros(d);
  }
  return (V)(a << twos);
}
template <integer V> GEMS_FN V lcm(V x, V y) {
  const V g = gcd(x, y);
  if (g == V(0)) return g;
  const V r = wrap_mul((V)(x / g), y);
  return r < V(0) ? wrap_neg(r) : r;
}

template <class V> GEMS_FN V divide_trunc(V x, V y) { return trunc(x / y); }
// From m = fmod(x, y). Masks: signs of random numbers would make branches of these.
template <integer V> GEMS_FN V other_sign(V m, V y) { return V((m != V(0)) & ((m ^ y) < V(0))); }
template <integer V> GEMS_FN V remainder_from(V m, V y) { return m + (y & -other_sign(m, y)); }
template <integer V> GEMS_FN V floor_divide_from(V m, V x, V y) { return exact::divide_trunc(x, y) - other_sign(m, y); }
#if GEMS_DEVICE
template <integer V> GEMS_FN V divide_trunc(V x, V y) { return exact::divide_trunc(x, y); }
template <integer V> GEMS_FN V fmod(V x, V y) { return exact::fmod(x, y); }
template <integer V> GEMS_FN V pow(V x, V y) { return exact::pow(x, y); }
template <integer V> GEMS_FN V remainder(V x, V y) { return remainder_from(exact::fmod(x, y), y); }
template <integer V> GEMS_FN V floor_divide(V x, V y) { return floor_divide_from(exact::fmod(x, y), x, y); }
#else
GEMS_FN bool fmod_rare(i64 x, i64 y) {
  constexpr u64 end = (u64)1 << 51;
  return ((u64)x + end >= 2 * end) | ((u64)y + end >= 2 * end);
}
// By addition of 1.5 * 2^52: AVX2 has no conversion of 64-bit integers.
GEMS_FN double in_double(i32 x) { return (double)x; }
GEMS_FN double in_double(i64 x) { return as_float<double>((u64)x + as_bits(layout<double>::round)) - layout<double>::round; }
template <integer V> GEMS_FN V from_double(double x);
template <> GEMS_FN i64 from_double<i64>(double x) {
  return (i64)(as_bits(x + layout<double>::round) - as_bits(layout<double>::round));
}
template <> GEMS_FN i32 from_double<i32>(double x) {
  return (i32)select(x > 2147483647., -2147483648., x);  // the smallest number by -1
}
template <integer V> GEMS_FN V divide_trunc(V x, V y) { return from_double<V>(trunc(in_double(x) / in_double(y))); }
template <integer V> GEMS_FN V floor_divide(V x, V y) { return from_double<V>(floor(in_double(x) / in_double(y))); }
template <integer V> GEMS_FN V fmod(V x, V y) {
  const double a = in_double(x), b = in_double(y);
  return from_double<V>(a - trunc(a / b) * b);
}
template <integer V> GEMS_FN V remainder(V x, V y) {
  const double a = in_double(x), b = in_double(y);
  return from_double<V>(a - floor(a / b) * b);
}
// Exponents of 0 to 63 in six steps without a branch: beyond them few powers aren't 0.
template <integer V> GEMS_FN bool pow_rare(V y) { return (typename wrapping<V>::type)y > 63; }
template <int STEPS = 6, integer V> GEMS_FN V pow_steps(V x, V y, V r) {
  if constexpr (STEPS == 0) return r;
  else return pow_steps<STEPS - 1>(wrap_mul(x, x), V(y >> 1), select((y & 1) != 0, wrap_mul(r, x), r));
}
template <integer V> GEMS_FN V pow(V x, V y) { return pow_steps(x, y, V(1)); }
#endif

}  // namespace gems
