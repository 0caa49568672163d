// The device vocabulary, part 2b: inverse and hyperbolic functions, erfc and what is made of them, in float and double. On a GPU
// CUDA's own; on the host branch-free text over math.h. Sources are named at each function; coefficients are tools/fit_math.py's.
// NaN, infinities, signed zeros and arguments outside of the domain come out as C's libm has them. Errors in ULP: tests/cpp/math_test.cpp.
#pragma once
#include "kernels/lang/math.h"

namespace gems {

#if GEMS_DEVICE
#define GEMS_NATIVE(name)                              \
  GEMS_FN float name(float x) { return ::name##f(x); } \
  GEMS_FN double name(double x) { return ::name(x); }
#define GEMS_NATIVE2(name)                                         \
  GEMS_FN float name(float x, float y) { return ::name##f(x, y); } \
  GEMS_FN double name(double x, double y) { return ::name(x, y); }
GEMS_NATIVE(asin)
GEMS_NATIVE(acos)
GEMS_NATIVE(atan)
GEMS_NATIVE(sinh)
GEMS_NATIVE(cosh)
GEMS_NATIVE(asinh)
GEMS_NATIVE(acosh)
GEMS_NATIVE(atanh)
GEMS_NATIVE(erfc)
GEMS_NATIVE2(atan2)
GEMS_NATIVE2(hypot)
GEMS_NATIVE2(nextafter)
#undef GEMS_NATIVE
#undef GEMS_NATIVE2
#else

// ---- inverse trigonometric ----
// asin(s) for s in [0, 1/2], z = s^2; beyond, asin(x) = pi/2 - 2 asin(sqrt((1 - x) / 2)) (Cody and Waite, chapter 10, and fdlibm's
// e_asin.c). Outside of [-1, 1] the root is NaN.
template <class V> struct arc_parts {
  V p;       // asin of the reduced argument
  bool big;  // |x| > 1/2
};
template <class V> GEMS_FN arc_parts<V> arc_reduce(V x) {
  V a = abs(x);
  bool big = a > V(0.5);
  V half = V(0.5) - V(0.5) * a, z = select(big, half, a * a), s = select(big, sqrt(half), a), t;
  if constexpr (is_same<V, float>) t = poly(z, table::asin_f);
  else t = poly(z, table::asin_d);
  return {s * z * t + s, big};
}
template <class V> inline constexpr V half_pi_lo = is_same<V, float> ? -4.37113883e-8 : 6.123233995736766e-17;
template <class V> GEMS_FN V asin(V x) {
  arc_parts<V> r = arc_reduce(x);
  return copysign(select(r.big, V(1.5707963267948966) - (V(2) * r.p - half_pi_lo<V>), r.p), x);
}
template <class V> GEMS_FN V acos(V x) {
  arc_parts<V> r = arc_reduce(x);
  V small = V(1.5707963267948966) - (copysign(r.p, x) - half_pi_lo<V>), twice = V(2) * r.p;
  V big = select(x < V(0), V(3.1415926535897932) - (twice - V(2) * half_pi_lo<V>), twice);
  return select(r.big, big, small);
}
// |x| <= tan(pi/8) after one of: nothing, (x - 1) / (x + 1), -1 / x (Moshier's Cephes, atan.c).
template <class V> GEMS_FN V atan_core(V r) {
  V z = r * r;
  if constexpr (is_same<V, float>) return r * z * poly(z, table::atan_f) + r;
  else return r * z * poly(z, table::atan_d) + r;
}
template <class V> GEMS_FN V atan(V x) {
  V a = abs(x);
  bool over = a > V(2.4142135623730950), mid = a > V(0.41421356237309503);
  V n = select(over, V(-1), select(mid, a - V(1), a)), d = select(over, a, select(mid, a + V(1), V(1)));
  V base = select(over, V(1.5707963267948966), select(mid, V(0.78539816339744831), V(0)));
  V low = select(over, half_pi_lo<V>, select(mid, V(0.5) * half_pi_lo<V>, V(0)));
  return copysign(base + (atan_core(n / d) + low), x);
}
// The lesser over the greater of |y| and |x|, reduced as above with one division; operands near the end of the range are scaled, so
// that their sum stays finite.
template <class V> GEMS_FN V atan2(V y, V x) {
  V ay = abs(y), ax = abs(x);
  bool swap = ay > ax;
  V lo = select(swap, ax, ay), hi = select(swap, ay, ax);
  bool equal = lo == hi;  // also two zeros and two infinities
  V scale = select(hi > V(is_same<V, float> ? 1e38 : 1e308), V(0.25), V(1));
  lo = lo * scale;
  hi = hi * scale;
  bool mid = lo > V(0.41421356237309503) * hi;
  V n = select(mid, lo - hi, lo), d = select(mid, lo + hi, hi);
  V q = n / d;
  V r = select(mid, V(0.78539816339744831), V(0)) + (atan_core(q) + select(mid, V(0.5) * half_pi_lo<V>, V(0)));
  r = select(equal, select(hi == V(0), V(0), V(0.78539816339744831)), r);
  r = select(swap, V(1.5707963267948966) - (r - half_pi_lo<V>), r);
  bool back = (as_bits(x) & layout<V>::sign) != 0;
  r = select(back, V(3.1415926535897932) - (r - V(2) * half_pi_lo<V>), r);
  return select((x != x) | (y != y), x + y, copysign(r, y));
}

// ---- hyperbolic ----
// (e^a - 1) / 4 and e^a / 4: a quarter, so that nothing overflows before the result does (fdlibm's e_sinh.c has three ranges for that).
template <class V> struct exp_quarter { V less, all; };
template <class V> GEMS_FN exp_quarter<V> quarter_exp(V a) {
  bits_t<V> scale;
  V r = exp_reduce(limit(a, V(0), V(is_same<V, float> ? 89.5 : 710.6)), V(layout<V>::bias - 2), scale);
  V p = exp_tail(r) * (r * r) + r, s = as_float<V>(scale << layout<V>::mantissa);
  V less = s * p + (s - V(0.25));
  return {less, s * p + s};
}
template <class V> GEMS_FN V sinh(V x) {
  V a = abs(x), y = quarter_exp(a).less;
  y = V(2) * (y + y / (V(4) * y + V(1)));
  y = select(a < infinity<V>(), y, a);
  return copysign(select(a < layout<V>::least * V(is_same<V, float> ? 16777216. : 9007199254740992.), a, y), x);
}
template <class V> GEMS_FN V cosh(V x) {
  V a = abs(x), e = quarter_exp(a).all;
  return select(a < infinity<V>(), V(2) * e + V(0.125) / e, a);
}
// fdlibm's s_asinh.c, e_acosh.c and e_atanh.c, with their ranges joined: log1p covers the small ones.
template <class V> inline constexpr V huge_root = is_same<V, float> ? 1e9 : 1e18;  // above it x^2 + 1 is x^2
template <class V> GEMS_FN V asinh(V x) {
  V a = abs(x), z = a * a;
  bool huge = a > huge_root<V>;
  V y = log1p(select(huge, a, a + z / (V(1) + sqrt(z + V(1)))));
  return copysign(y + select(huge, V(0.69314718055994531), V(0)), x);
}
template <class V> GEMS_FN V acosh(V x) {
  V t = x - V(1);
  bool huge = x > huge_root<V>;
  V y = log1p(select(huge, t, t + sqrt(t * (t + V(2)))));
  return select(x < V(1), nan<V>(), y + select(huge, V(0.69314718055994531), V(0)));
}
template <class V> GEMS_FN V atanh(V x) {
  V a = abs(x);
  V y = V(0.5) * log1p((a + a) / (V(1) - a));
  return copysign(select(a < layout<V>::least, a, y), x);  // doubling and halving keeps no denormals' last bit
}

// ---- erfc ----
// erfc(a) = e^(-a^2) times a smooth function of (a - 3) / (a + 3) (the variable of Shepherd and Laframboise, "Chebyshev approximation of
// (1 + 2x) exp(x^2) erfc(x)", Math. Comp. 36, 1981). a^2 is split as in fdlibm's s_erf.c: hi^2 is exact, the rest is small.
template <class V> GEMS_FN V erfc(V x) {
  constexpr bool f = is_same<V, float>;
  V a = limit(abs(x), V(0), V(f ? 10.2 : 27.3));
  V hi = as_float<V>(as_bits(a) & (f ? bits_t<V>(0xfffff000u) : bits_t<V>(0xffffffff00000000ull)));
  V rest = (hi - a) * (hi + a);
  V e = exp(-(hi * hi));
  e = (exp_tail(rest) * rest + V(1)) * rest * e + e;
  V t = (a - V(3)) / (a + V(3)), y;
  if constexpr (f) y = e * poly(t, table::erfc_f);
  else y = e * poly(t, table::erfc_d);
  return select(x < V(0), V(2) - y, y);
}

// ---- the rest ----
// Scaled by a power of two near 1 / max(|x|, |y|), exactly: no overflow, no lost denormals.
template <class V> GEMS_FN V hypot(V x, V y) {
  typedef layout<V> L;
  V ax = abs(x), ay = abs(y);
  bits_t<V> e = as_bits(max(ax, ay)) >> L::mantissa;
  constexpr bits_t<V> top = 2 * L::bias - 2;
  e = select(e > top, top, e);
  V scale = as_float<V>((top + 1 - e) << L::mantissa), back = as_float<V>((e + 1) << L::mantissa);
  V u = ax * scale, v = ay * scale, r = sqrt(u * u + v * v) * back;
  r = select((x != x) | (y != y), x + y, r);
  return select((ax == infinity<V>()) | (ay == infinity<V>()), infinity<V>(), r);
}
// One step of the integers that order floats of one sign.
template <class V> GEMS_FN V nextafter(V x, V y) {
  bits_t<V> b = as_bits(x);
  bool away = (x < y) == (x > V(0));
  bits_t<V> next = select(x == V(0), bits_t<V>((as_bits(y) & layout<V>::sign) | 1), select(away, b + 1, b - 1));
  return select((x != x) | (y != y), x + y, select(x == y, y, as_float<V>(next)));
}
#endif  // !GEMS_DEVICE

// ---- logarithms of sums of exponentials; activations ----
// log(1 + z) for 0 <= z <= 1: above sqrt(2) - 1 by log(2) + log(1 + (z - 1) / 2), so that nothing is lost of z. With log1p, which is for
// every number, softplus of 64 x 4096 takes 207 us, so 121.
#if GEMS_DEVICE
template <class V> GEMS_FN V log1p_unit(V z) { return log1p(z); }
#else
template <class V> GEMS_FN V log1p_unit(V z) {
  constexpr bool single = is_same<V, float>;
  bool big = z > V(0.41421356237309503);
  V f = select(big, V(0.5) * (z - V(1)), z);
  V hi = select(big, V(single ? 0.693359375 : 6.93147180369123816490e-01), V(0));
  V lo = select(big, V(single ? -2.12194440e-4 : 1.90821492927058770002e-10), V(0));
  return hi + (f + (log_rest(f) + lo));
}
#endif
template <class V> GEMS_FN V logaddexp(V x, V y) {
  V m = max(x, y) + log1p_unit(exp(-abs(x - y)));
  return select((x == y) & (abs(x) == infinity<V>()), x, m);
}
template <class V> GEMS_FN V logaddexp2(V x, V y) {
  V m = max(x, y) + log1p_unit(exp2(-abs(x - y))) * V(1.4426950408889634);
  return select((x == y) & (abs(x) == infinity<V>()), x, m);
}
template <class V> GEMS_FN V softplus(V x) { return max(x, V(0)) + log1p_unit(exp(-abs(x))); }
template <class V> GEMS_FN V log_sigmoid(V x) { return min(V(0), x) - log1p_unit(exp(-abs(x))); }
// b where `flag`, a number that is the same for all elements, isn't 0, else a. By masks, as in pow.
template <class V> GEMS_FN V blend(V flag, V b, V a) {
  bits_t<V> m = bits_t<V>(0) - bits_t<V>(flag != V(0));
  return as_float<V>((as_bits(b) & m) | (as_bits(a) & ~m));
}
// tanh(log(1 + e^x)) = w / (w + 2), w = e (e + 2), e = e^x: 1 from 20 on.
template <class V> GEMS_FN V mish(V x) {
  V e = exp(min(x, V(20))), w = e * (e + V(2));
  return x * (w / (w + V(2)));
}
// As one quotient of polynomials in e^x and x: where the slope is near 0 (x = -1.19) terms of a tenth cancel, not of one half.
template <class V> GEMS_FN V mish_slope(V x) {
  V y = max(min(x, V(20)), V(-1000)), e = exp(y), d = e * (e + V(2)) + V(2);
  V w = V(4) * (y + V(1)) + e * ((V(4) * y + V(6)) + e * (e + V(4)));
  return e * w / (d * d) + x * V(0);  // NaN at the infinities, as the product with a slope of 0 gives
}

}  // namespace gems
