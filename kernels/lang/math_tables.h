// Polynomial coefficients of kernels/lang/math.h, lowest power first. Written by tools/fit_math.py: don't edit.
// "error" is the largest weighted error of the rounded coefficients in exact arithmetic; half an ULP of float is 6e-8, of double 1.1e-16.
#pragma once

namespace gems::table {

// q in e^r = 1 + r + r^2 q(r), |r| <= ln(2)/2; relative to e^r - 1: error 1.5e-8
inline constexpr float exp_f[] = {0.49999997f, 0.166665494f, 0.0416674167f, 0.00836606324f, 0.001387247f};

// the same in double: error 2.37e-17
inline constexpr double exp_d[] = {0.50000000000000056, 0.16666666666666677, 0.041666666666580358, 0.0083333333333647144,
    0.0013888888929983025, 0.00019841269732321962, 2.480150711912698e-05, 2.7557417826094587e-06, 2.7625382475135439e-07,
    2.5046147627729955e-08};

// p in log(1 + f) = f - f^2/2 + f^3 p(f), sqrt(1/2) <= 1 + f <= sqrt(2); relative to log(1 + f): error 5.9e-9
inline constexpr float log_f[] = {0.333333313f, -0.250008196f, 0.20001255f, -0.166234359f, 0.142011523f, -0.131587476f,
    0.127652645f, -0.076430127f};

// p in log(1 + f) = 2s + s^3 p(s^2), s = f / (2 + f); relative to log(1 + f): error 1.23e-18
inline constexpr double log_d[] = {0.6666666666666734, 0.39999999999416974, 0.28571428741918264, 0.22222198618284922,
    0.18183562110019277, 0.15314104456842415, 0.14795435154693154};

// p in sin(r) = r + r^3 p(r^2), |r| <= pi/4; relative: error 3.96e-9
inline constexpr float sin_f[] = {-0.166666552f, 0.00833218917f, -0.000195182918f};

// p in cos(r) = 1 - r^2/2 + r^4 p(r^2), |r| <= pi/4; relative: error 1.18e-10
inline constexpr float cos_f[] = {0.0416666456f, -0.00138873095f, 2.44323255e-05f};

// the same in double: error 3.78e-18
inline constexpr double sin_d[] = {-0.1666666666666663, 0.0083333333333219291, -0.00019841269829470618, 2.7557313586995181e-06,
    -2.5050743102352945e-08, 1.589599019947065e-10};

// the same in double: error 5.66e-20
inline constexpr double cos_d[] = {0.041666666666666595, -0.0013888888888873342, 2.4801587289001893e-05,
    -2.7557314216915427e-07, 2.0875705369589524e-09, -1.135874739480035e-11};

// p in erf(x) = x p(2 (x / 3.92)^2 - 1), |x| <= 3.92; relative: error 3.72e-8
inline constexpr float erf_f[] = {0.360736817f, -0.180108622f, 0.134084269f, -0.109179676f, 0.0906000733f, -0.0740150958f,
    0.0583819225f, -0.0434571914f, 0.029730184f, -0.01995055f, 0.0141693307f, -0.00771285454f, 0.00194588129f, -0.0013629786f,
    0.00209209602f, -0.00085158291f};

// p in log2(1 + f) = f p(f), sqrt(1/2) <= 1 + f <= sqrt(2); relative; for float powers in double: error 1.62e-11
inline constexpr double pow_log2[] = {1.4426950408687034, -0.7213475208688388, 0.48089836139855968, -0.36067367480567153,
    0.28853729310687676, -0.24045316651565968, 0.20617537152053225, -0.18030059236477042, 0.15876964591243534,
    -0.14315642140344786, 0.14474918726496108, -0.14283991124727005, 0.077369873564832145};

// 2^r, |r| <= 1/2; relative; for float powers in double: error 1.85e-9
inline constexpr double pow_exp2[] = {1.000000000553575, 0.69314720572243016, 0.24022646891755481, 0.055503288023977734,
    0.0096184888933733351, 0.0013399922863839705, 0.00015345821714285061};

}  // namespace gems::table
