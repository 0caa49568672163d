// The device vocabulary, part 2: elementary functions for float and double.
//
// On a GPU these are CUDA's own functions (no fast-math intrinsics), so results equal what torch's CUDA kernels compute. On the
// host they are branch-free scalar text that g++ vectorises for each instruction set: no calls, no loops, selections instead of
// branches. Coefficients are our own minimax fits (tools/fit_math.py -> math_tables.h); the reductions are the classical ones of
// Cody and Waite, "Software Manual for the Elementary Functions" (1980), and of fdlibm where named. NaN and infinities come out as C's
// libm has them. Double pow and fmod call libm: correct, but scalar.
//
// Largest error in ULP, measured against MPFR-checked libm in long double by tests/cpp/math_test.cpp (limits there):
// see the table `kLimits` in that file.
#pragma once
#include "kernels/lang/base.h"
#if !GEMS_DEVICE
#include "kernels/lang/math_tables.h"
#endif

namespace gems {

// ---- layout of a floating type ----
template <class V> struct layout;
template <> struct layout<float> {
  typedef u32 bits;
  static constexpr int mantissa = 23;
  static constexpr bits bias = 127, sign = 0x80000000u, infinity = 0x7f800000u, nan = 0x7fc00000u;
  static constexpr float round = 12582912.f;  // 1.5 * 2^23: adding it rounds to an integer that then sits in the low bits
  static constexpr float least = 1.17549435e-38f;
};
template <> struct layout<double> {
  typedef u64 bits;
  static constexpr int mantissa = 52;
  static constexpr bits bias = 1023, sign = 0x8000000000000000u, infinity = 0x7ff0000000000000u, nan = 0x7ff8000000000000u;
  static constexpr double round = 6755399441055744.;  // 1.5 * 2^52
  static constexpr double least = 2.2250738585072014e-308;
};
template <class V> using bits_t = typename layout<V>::bits;
template <class V> GEMS_FN bits_t<V> as_bits(V x) { return __builtin_bit_cast(bits_t<V>, x); }
template <class V> GEMS_FN V as_float(bits_t<V> b) { return __builtin_bit_cast(V, b); }
template <class V> GEMS_FN V infinity() { return as_float<V>(layout<V>::infinity); }
template <class V> GEMS_FN V nan() { return as_float<V>(layout<V>::nan); }

// ---- exact helpers ----
template <class V> GEMS_FN V abs(V x) {
  if constexpr (is_float<V>) return as_float<V>(as_bits(x) & ~layout<V>::sign);
  else return x < V(0) ? V(-x) : x;
}
template <class V> GEMS_FN V copysign(V magnitude, V sign) {
  return as_float<V>((as_bits(magnitude) & ~layout<V>::sign) | (as_bits(sign) & layout<V>::sign));
}
// Plain minimum and maximum: one instruction; of a NaN and a number the second argument.
template <class V> GEMS_FN V min(V a, V b) { return select(a < b, a, b); }
template <class V> GEMS_FN V max(V a, V b) { return select(a > b, a, b); }
GEMS_FN bool min(bool a, bool b) { return a & b; }
GEMS_FN bool max(bool a, bool b) { return a | b; }
// NaN if either is (torch.maximum, clamp, amax).
template <class V> GEMS_FN V maximum(V a, V b) {
  if constexpr (is_float<V>) return select((a > b) | (a != a), a, b);
  else return max(a, b);
}
template <class V> GEMS_FN V minimum(V a, V b) {
  if constexpr (is_float<V>) return select((a < b) | (a != a), a, b);
  else return min(a, b);
}
// min(max(x, lo), hi) with NaN of any operand kept.
template <class V> GEMS_FN V clamp(V x, V lo, V hi) {
  V y = select(x < lo, lo, x);
  y = select(y > hi, hi, y);
  return select((lo != lo) | (hi != hi), V(lo + hi), y);
}
// A NaN loses (torch.fmax, C's fmax).
template <class V> GEMS_FN V fmax(V a, V b) {
  if constexpr (is_float<V>) return select((a > b) | (b != b), a, b);
  else return max(a, b);
}
template <class V> GEMS_FN V fmin(V a, V b) {
  if constexpr (is_float<V>) return select((a < b) | (b != b), a, b);
  else return min(a, b);
}

// Functions that the compiler or CUDA supplies as they are: correctly rounded or exact.
#if GEMS_DEVICE
#define GEMS_NATIVE(name, f, d)                \
  GEMS_FN float name(float x) { return f(x); } \
  GEMS_FN double name(double x) { return d(x); }
#define GEMS_NATIVE2(name, f, d)                           \
  GEMS_FN float name(float x, float y) { return f(x, y); } \
  GEMS_FN double name(double x, double y) { return d(x, y); }
GEMS_NATIVE(sqrt, ::sqrtf, ::sqrt)
GEMS_NATIVE(rsqrt, ::rsqrtf, ::rsqrt)
GEMS_NATIVE(floor, ::floorf, ::floor)
GEMS_NATIVE(ceil, ::ceilf, ::ceil)
GEMS_NATIVE(trunc, ::truncf, ::trunc)
GEMS_NATIVE(round, ::rintf, ::rint)  // halves to even, as torch.round
GEMS_NATIVE2(fmod, ::fmodf, ::fmod)
GEMS_NATIVE(exp, ::expf, ::exp)
GEMS_NATIVE(exp2, ::exp2f, ::exp2)
GEMS_NATIVE(expm1, ::expm1f, ::expm1)
GEMS_NATIVE(log, ::logf, ::log)
GEMS_NATIVE(log2, ::log2f, ::log2)
GEMS_NATIVE(log10, ::log10f, ::log10)
GEMS_NATIVE(log1p, ::log1pf, ::log1p)
GEMS_NATIVE(sin, ::sinf, ::sin)
GEMS_NATIVE(cos, ::cosf, ::cos)
GEMS_NATIVE(tan, ::tanf, ::tan)
GEMS_NATIVE(tanh, ::tanhf, ::tanh)
GEMS_NATIVE(erf, ::erff, ::erf)
GEMS_NATIVE2(pow, ::powf, ::pow)
#undef GEMS_NATIVE
#undef GEMS_NATIVE2
// CUDA's functions cover every argument: nothing is rare (see the host's half).
namespace exact {
using gems::cos;
using gems::fmod;
using gems::sin;
using gems::tan;
}  // namespace exact
template <class V> GEMS_FN bool trig_rare(V) { return false; }
template <class V> GEMS_FN bool fmod_rare(V, V) { return false; }
#else

GEMS_FN float sqrt(float x) { return __builtin_sqrtf(x); }
GEMS_FN double sqrt(double x) { return __builtin_sqrt(x); }
template <class V> GEMS_FN V rsqrt(V x) { return V(1) / sqrt(x); }
GEMS_FN float floor(float x) { return __builtin_floorf(x); }
GEMS_FN double floor(double x) { return __builtin_floor(x); }
GEMS_FN float ceil(float x) { return __builtin_ceilf(x); }
GEMS_FN double ceil(double x) { return __builtin_ceil(x); }
GEMS_FN float trunc(float x) { return __builtin_truncf(x); }
GEMS_FN double trunc(double x) { return __builtin_trunc(x); }
GEMS_FN float round(float x) { return __builtin_rintf(x); }  // halves to even, as torch.round
GEMS_FN double round(double x) { return __builtin_rint(x); }

// Two forms of each function that has arguments its branch-free form doesn't cover: `..._rare(x)` tells, `exact::` calls libm.
namespace exact {
GEMS_FN float sin(float x) { return __builtin_sinf(x); }
GEMS_FN double sin(double x) { return __builtin_sin(x); }
GEMS_FN float cos(float x) { return __builtin_cosf(x); }
GEMS_FN double cos(double x) { return __builtin_cos(x); }
GEMS_FN float tan(float x) { return __builtin_tanf(x); }
GEMS_FN double tan(double x) { return __builtin_tan(x); }
GEMS_FN float fmod(float x, float y) { return __builtin_fmodf(x, y); }
GEMS_FN double fmod(double x, double y) { return __builtin_fmod(x, y); }
}  // namespace exact

// In double the quotient of two floats can't round up to an integer while it is below 2^29, and quotient * y is exact.
GEMS_FN bool fmod_rare(float x, float y) {
  double q = (double)abs(x) / (double)abs(y);
  return (q >= 536870912.) & (q < infinity<double>());
}
GEMS_FN bool fmod_rare(double, double) { return true; }
GEMS_FN float fmod(float x, float y) {
  double a = abs(x), b = abs(y), r = a - __builtin_trunc(a / b) * b;
  r = select((b == infinity<double>()) & (a < b), a, r);
  return copysign((float)r, x);
}
GEMS_FN double fmod(double x, double y) { return exact::fmod(x, y); }

// ---- building blocks ----
// Horner's scheme. A template instead of a loop: the text must be straight-line code before the vectoriser sees it.
template <int I = 0, class V, int N> GEMS_FN V poly(V x, const V (&c)[N]) {
  if constexpr (I + 1 == N) return c[I];
  else return poly<I + 1>(x, c) * x + c[I];
}
// Long polynomials on [-1, 1]: four of a quarter of the degree in x^4, so that the chain of dependent operations is 5 long instead of 15.
// By Horner's scheme the vectors in flight are too few to hide that latency (gelu of 64 x 4096, AVX-512, two cores of a Zen 5: 44 us, now 26).
template <int First, class V, int N> GEMS_FN V poly_part(V x4, const V (&c)[N]) {
  if constexpr (First + 4 >= N) return c[First];
  else return poly_part<First + 4>(x4, c) * x4 + c[First];
}
template <class V, int N> GEMS_FN V poly_wide(V x, const V (&c)[N]) {
  static_assert(N >= 4);
  V x2 = x * x, x4 = x2 * x2;
  V high = poly_part<3>(x4, c) * x + poly_part<2>(x4, c), low = poly_part<1>(x4, c) * x + poly_part<0>(x4, c);
  return high * x2 + low;
}
// Clamps a finite or infinite x; NaN stays NaN, since a comparison with it is false.
template <class V> GEMS_FN V limit(V x, V lo, V hi) {
  x = select(x < lo, lo, x);
  return select(x > hi, hi, x);
}

// ---- exponentials: x = n ln(2) + r, |r| <= ln(2)/2, e^r = 1 + r + r^2 q(r) ----
template <class V> GEMS_FN V exp_tail(V r) {
  if constexpr (is_same<V, float>) return poly(r, table::exp_f);
  else return poly(r, table::exp_d);
}
// Subtracts n = round(x / ln 2) times ln 2, in two parts (Cody-Waite; n * hi is exact). `scale` holds n + offset in its low bits.
template <class V> GEMS_FN V exp_reduce(V x, V offset, bits_t<V>& scale) {
  const V magic = layout<V>::round + offset;
  V t = x * V(1.4426950408889634) + magic;
  scale = as_bits(t);
  V n = t - magic;
  if constexpr (is_same<V, float>) return (x - n * 0.693359375f) + n * 2.12194440e-4f;
  else return (x - n * 6.93147180369123816490e-01) - n * 1.90821492927058770002e-10;
}
// y * 2^n where `scale` holds n + 2 * bias: in two factors, so that results may be denormal or overflow.
template <class V> GEMS_FN V scale_by_pow2(V y, bits_t<V> scale) {
  constexpr int m = layout<V>::mantissa;
  bits_t<V> half = scale >> 1;
  return y * as_float<V>(half << m) * as_float<V>((scale - half) << m);
}
template <class V> GEMS_FN V exp(V x) {
  constexpr bool f = is_same<V, float>;
  bits_t<V> scale;
  V r = exp_reduce(limit(x, V(f ? -104 : -746), V(f ? 89 : 710)), V(2 * layout<V>::bias), scale);
  return scale_by_pow2((exp_tail(r) * r + V(1)) * r + V(1), scale);
}
template <class V> GEMS_FN V exp2(V x) {
  constexpr bool f = is_same<V, float>;
  const V magic = layout<V>::round + V(2 * layout<V>::bias);
  V c = limit(x, V(f ? -151 : -1076), V(f ? 129 : 1025));
  V t = c + magic;
  V r = (c - (t - magic)) * V(0.69314718055994531);
  return scale_by_pow2((exp_tail(r) * r + V(1)) * r + V(1), as_bits(t));
}
// e^x - 1 for x in a range where 2^(n - 1) is a normal number: 2 (2^(n-1) p + (2^(n-1) - 1/2)), p = e^r - 1.
template <class V> GEMS_FN V expm1_bounded(V x) {
  bits_t<V> scale;
  V r = exp_reduce(x, V(layout<V>::bias - 1), scale);
  V p = exp_tail(r) * (r * r) + r;
  V s = as_float<V>(scale << layout<V>::mantissa);
  V y = s * p + (s - V(0.5));
  return y + y;
}
template <class V> GEMS_FN V expm1(V x) {
  constexpr bool f = is_same<V, float>;
  V y = expm1_bounded(limit(x, V(f ? -18 : -38), V(f ? 89 : 710)));
  return select(abs(x) < layout<V>::least * V(f ? 16777216. : 9007199254740992.), x, y);  // keeps -0 and denormals
}
// tanh(a) = (e^2a - 1) / (e^2a + 1); float is 1 from 9.02 on, double from 19.1
template <class V> GEMS_FN V tanh(V x) {
  V a = abs(x), end = V(is_same<V, float> ? 10 : 20);
  a = select(a > end, end, a);
  V e = expm1_bounded(a + a);
  return copysign(e / (e + V(2)), x);
}

// ---- logarithms: x = 2^e (1 + f), sqrt(1/2) <= 1 + f < sqrt(2) ----
template <class V> struct log_parts { V e, f; };
// For x in the normal range.
template <class V> GEMS_FN log_parts<V> log_reduce(V x) {
  typedef layout<V> L;
  constexpr bits_t<V> root = is_same<V, float> ? 0x3f3504f3u : 0x3fe6a09e667f3bcdu;  // sqrt(1/2)
  constexpr bits_t<V> one = 1;
  constexpr bits_t<V> fraction = (one << L::mantissa) - 1, lift = (L::bias + 1) << L::mantissa;  // lift: no negative exponents
  bits_t<V> d = as_bits(x) - root + lift;
  V e = as_float<V>((d >> L::mantissa) + as_bits(L::round)) - (L::round + V(L::bias + 1));
  return {e, as_float<V>((d & fraction) + root) - V(1)};
}
template <class V> GEMS_FN log_parts<V> log_reduce_any(V x) {
  constexpr V up = is_same<V, float> ? 16777216. : 18014398509481984.;  // 2^24, 2^54
  bool tiny = x < layout<V>::least;
  log_parts<V> p = log_reduce(select(tiny, x * up, x));
  p.e = p.e - select(tiny, V(is_same<V, float> ? 24 : 54), V(0));
  return p;
}
// log(1 + f) = f + log_rest(f). float: -f^2/2 + f^3 p(f). double: fdlibm's s (f^2/2 + R(s^2)) - f^2/2, s = f / (2 + f).
template <class V> GEMS_FN V log_rest(V f) {
  V h = V(0.5) * f * f;
  if constexpr (is_same<V, float>) {
    return (f * f) * (f * poly(f, table::log_f)) - h;
  } else {
    V s = f / (V(2) + f), z = s * s;
    return s * (h + z * poly(z, table::log_d)) - h;
  }
}
// The natural logarithm from its parts; ln 2 in two parts, e * hi is exact.
template <class V> GEMS_FN V log_join(log_parts<V> p) {
  constexpr bool f = is_same<V, float>;
  constexpr V hi = f ? 0.693359375 : 6.93147180369123816490e-01, lo = f ? -2.12194440e-4 : 1.90821492927058770002e-10;
  return p.e * hi + (p.f + (log_rest(p.f) + p.e * lo));
}
// The values at 0 and below, infinity and NaN.
template <class V> GEMS_FN V log_special(V x, V y) {
  y = select(x < infinity<V>(), y, x);
  return select(x > V(0), y, select(x == V(0), -infinity<V>(), nan<V>()));
}
template <class V> GEMS_FN V log(V x) { return log_special(x, log_join(log_reduce_any(x))); }
template <class V> GEMS_FN V log2(V x) {
  log_parts<V> p = log_reduce_any(x);
  constexpr V hi = 1.4426950408889634074, lo = is_same<V, float> ? 1.92596299e-8 : 2.0355273740931033e-17;  // log2(e)
  V l = log_rest(p.f);
  return log_special(x, p.e + (p.f * hi + (p.f * lo + l * hi)));
}
template <class V> GEMS_FN V log10(V x) {
  log_parts<V> p = log_reduce_any(x);
  constexpr bool f = is_same<V, float>;
  constexpr V hi = f ? 3.0078125e-1 : 3.01029995663611771306e-01, lo = f ? 2.48745663981195213739e-4 : 3.69423907715893078616e-13;
  V l = (p.f + log_rest(p.f)) * V(0.43429448190325182765);
  return log_special(x, p.e * hi + (l + p.e * lo));
}
// u = 1 + x loses c; log(1 + x) = log(u) with f corrected by c 2^-e (fdlibm's log1p).
template <class V> GEMS_FN V log1p(V x) {
  typedef layout<V> L;
  V u = V(1) + x;
  V c = select(x < V(1), x - (u - V(1)), V(1) - (u - x));
  log_parts<V> p = log_reduce(u);
  // 2^(1-e): the exponent field stays in range even for the largest u.
  V scale = as_float<V>((bits_t<V>(L::bias + 1) << L::mantissa) - (as_bits(p.e + L::round) << L::mantissa));
  p.f = p.f + c * (V(0.5) * scale);
  V y = select(abs(x) < L::least, x, log_join(p));  // keeps -0 and denormals
  y = select(x < infinity<V>(), y, x);
  return select(x > V(-1), y, select(x == V(-1), -infinity<V>(), nan<V>()));
}

// ---- trigonometric functions: x = q pi/2 + r, |r| <= pi/4 ----
template <class V> struct quadrant {
  bits_t<V> q;
  V r;
};
// float reduces in double: right up to 4e8, with or without FMA (q has at most 28 bits, the first two parts of pi/2 have 25).
GEMS_FN quadrant<float> trig_reduce(float x) {
  double t = x * 0.63661977236758134308 + layout<double>::round;
  double n = t - layout<double>::round;
  double r = ((x - n * 1.5707963109016418) - n * 1.5893254712295857e-08) - n * 6.123233995736766e-17;
  return {(u32)as_bits(t), (float)r};
}
// fdlibm's three parts of 33 bits: q * part is exact for q of up to 20 bits.
GEMS_FN quadrant<double> trig_reduce(double x) {
  double t = x * 0.63661977236758134308 + layout<double>::round;
  double n = t - layout<double>::round;
  double r = ((x - n * 1.57079632673412561417e+00) - n * 6.077100506303966e-11) - n * 2.0222662487959506e-21;
  return {as_bits(t), r};
}
template <class V> GEMS_FN bool trig_rare(V x) { return abs(x) > V(is_same<V, float> ? 4e8 : 1.6e6); }
template <class V> GEMS_FN V sin_core(V r, V z) {
  if constexpr (is_same<V, float>) return r * z * poly(z, table::sin_f) + r;
  else return r * z * poly(z, table::sin_d) + r;
}
template <class V> GEMS_FN V cos_core(V z) {
  if constexpr (is_same<V, float>) return z * z * poly(z, table::cos_f) + (V(1) - V(0.5) * z);
  else return z * z * poly(z, table::cos_d) + (V(1) - V(0.5) * z);
}
// sin(r + q pi/2)
template <class V> GEMS_FN V sin_quadrant(V r, bits_t<V> q) {
  V z = r * r;
  V y = select((q & 1) == 0, sin_core(r, z), cos_core(z));
  return as_float<V>(as_bits(y) ^ ((q >> 1) << (sizeof(V) * 8 - 1)));
}
template <class V> GEMS_FN V sin(V x) {
  quadrant<V> p = trig_reduce(x);
  return select(x == V(0), x, sin_quadrant(p.r, p.q));  // keeps -0
}
template <class V> GEMS_FN V cos(V x) {
  quadrant<V> p = trig_reduce(x);
  return sin_quadrant(p.r, p.q + 1);
}
template <class V> GEMS_FN V tan(V x) {
  quadrant<V> p = trig_reduce(x);
  V z = p.r * p.r, s = sin_core(p.r, z), c = cos_core(z);
  bool odd = (p.q & 1) != 0;
  return select(x == V(0), x, select(odd, -c, s) / select(odd, s, c));
}

// ---- error function ----
// 2 min(x^2, end) / end - 1. Bits of positive numbers are ordered as integers, a NaN is more than all of them: the caller's x brings it
// back. With a comparison of floats g++ 12 selects between all that follows from either side instead of taking a minimum.
GEMS_FN float shifted_square(float x, float end) {
  u32 x2 = as_bits(x * x), e = as_bits(end);
  return as_float<float>(select(x2 > e, e, x2)) * (2.f / end) - 1.f;
}
// float: x times one polynomial in x^2, shifted to [-1, 1] where Horner's scheme is stable (poly_wide: 4.2 ULP without FMA). The limits
// make it +-1 from 3.92 on.
GEMS_FN float erf(float x) { return limit(x * poly(shifted_square(x, 3.92f * 3.92f), table::erf_f), -1.f, 1.f); }
// double: below 1 as above, unshifted; from 1 on by erfc(a) = e^(-a^2) times a smooth function of a.
GEMS_FN double erf(double x) {
  double a = abs(x), z = x * x;
  double small = x * poly(select(a > 1., 1., z), table::erf_d);
  double b = limit(a, 1., 6.);
  double big = copysign(1. - exp(-(b * b)) * poly((b - 2.) / (b + 2.), table::erfcx_d), x);
  return select(a < 1., small, big);
}

// ---- powers ----
// float in double: log2 to 2^-35.8, so that y log2(x) is good to 2^-28.8 and the result to little more than half an ULP. What depends
// on y alone is integer masks, not conditions: the vectoriser refuses a condition that doesn't change in the loop (pow_tensor_scalar).
GEMS_FN u32 mask_of(bool b) { return 0u - (u32)b; }
GEMS_FN float pow(float x, float y) {
  typedef layout<float> L;
  double a = abs(x);  // a float's denormals are normal here
  log_parts<double> p = log_reduce(a);
  double l = p.e + p.f * poly(p.f, table::pow_log2_d);
  l = select(a == 0., -infinity<double>(), l);
  l = select(a < infinity<double>(), l, a);
  double t = limit(select(a == 1., 0., y * l), -300., 300.);  // |x| == 1: no 0 * infinity
  const double magic = layout<double>::round + 1023.;
  double n = t + magic;
  u32 r = as_bits((float)(poly(t - (n - magic), table::pow_exp2_d) * as_float<double>(as_bits(n) << 52)));
  u32 fraction = mask_of(round(y) != y), odd = ~fraction & mask_of(round(0.5f * y) != 0.5f * y);
  r |= odd & as_bits(x) & L::sign;
  r |= fraction & select((x < 0.f) & (a < infinity<double>()), L::nan, 0u);
  r |= mask_of((as_bits(y) & ~L::sign) > L::infinity) & L::nan;
  u32 zero = mask_of(y == 0.f);
  r = select(x == 1.f, as_bits(1.f), r);
  return as_float<float>((r & ~zero) | (as_bits(1.f) & zero));
}
GEMS_FN double pow(double x, double y) { return __builtin_pow(x, y); }
#endif  // !GEMS_DEVICE

// ---- division with rounding ----
// The sign of the divisor, as Python's %.
template <class V> GEMS_FN V remainder_from(V r, V y) {  // r = fmod(x, y)
  return select((r != V(0)) & ((y < V(0)) != (r < V(0))), r + y, r);
}
template <class V> GEMS_FN V remainder(V x, V y) { return remainder_from(fmod(x, y), y); }
// ATen's div_floor (c10/util/generic_math.h), which follows Python's //: from the exact remainder, not floor of the quotient.
template <class V> GEMS_FN V floor_divide_from(V m, V x, V y) {  // m = fmod(x, y)
  V q = (x - m) / y;
  q = select((m != V(0)) & ((y < V(0)) != (m < V(0))), q - V(1), q);
  V f = floor(q);
  f = select(q - f > V(0.5), f + V(1), f);
  f = select(q == V(0), copysign(V(0), x / y), f);
  return select(y == V(0), x / y, f);
}
template <class V> GEMS_FN V floor_divide(V x, V y) { return floor_divide_from(fmod(x, y), x, y); }

// ---- activations and their slopes ----
template <class V> GEMS_FN V sigmoid(V x) { return V(1) / (V(1) + exp(-x)); }
template <class V> GEMS_FN V silu(V x) { return x / (V(1) + exp(-x)); }
// The normal distribution, (1 + erf(x / sqrt(2))) / 2. float on the host: an absolute error, as that formula has in its negative tail,
// and of NaN a number (what it's for multiplies by x): the limits 0 and 1 are taken of the bits as integers.
#if !GEMS_DEVICE
GEMS_FN float normal_cdf(float x) {
  int y = to_bits(x * poly_wide(shifted_square(x, 5.42f * 5.42f), table::cdf_f) + 0.5f);
  y = select(y < 0, 0, y);
  return from_bits(select(y > 0x3f800000, 0x3f800000, y));
}
#else
GEMS_FN float normal_cdf(float x) { return 0.5f * (1.f + erf(x * 0.70710678118654752440f)); }
#endif
GEMS_FN double normal_cdf(double x) { return 0.5 * (1. + erf(x * 0.70710678118654752440)); }
template <class V> GEMS_FN V gelu(V x) { return x * normal_cdf(x); }
template <class V> GEMS_FN V gelu_slope(V x) { return normal_cdf(x) + x * (exp(V(-0.5) * x * x) * V(0.39894228040143267794)); }
template <class V> GEMS_FN V gelu_tanh(V x) {
  V inner = V(0.79788456080286535588) * (x + V(0.044715) * x * x * x);
  return V(0.5) * x * (V(1) + tanh(inner));
}
template <class V> GEMS_FN V gelu_tanh_slope(V x) {
  const V beta = V(0.79788456080286535588), kappa = V(0.044715);
  V x2 = x * x, t = tanh(beta * (x + kappa * x2 * x));
  V inner_slope = beta * (V(1) + V(3) * kappa * x2);
  return V(0.5) * (V(1) + t) + V(0.5) * x * (V(1) - t * t) * inner_slope;
}

}  // namespace gems
