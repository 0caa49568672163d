// kernels/lang/math.h as the CPU backend computes it, in every instruction set of the machine: errors in ULP against long double
// (64-bit mantissa) over dense ranges, special values, and the rules of division, minimum and maximum. Arguments that only the
// scalar path covers (sin of 1e20) sit between ordinary ones, as they do in a tensor.
#include <cmath>

#include "tests/cpp/family_test.h"

namespace {
using namespace gems::test;
typedef long double real;

template <class T> constexpr int dtype_of = sizeof(T) == 4 ? GEMS_F32 : GEMS_F64;

// One dense call of a pointwise operator. R: element type of the output.
template <class R, class T> std::vector<R> apply(const char* name, std::vector<std::vector<T>> in, std::vector<double> par = {}) {
  std::vector<R> out(in[0].size());
  const int64_t size = static_cast<int64_t>(out.size()), stride = 1;
  auto tensor = [&](void* data, int dtype) {
    gems_tensor t{};
    t.data = data;
    t.sizes = &size;
    t.strides = &stride;
    t.numel = size;
    t.ndim = 1;
    t.dtype = static_cast<int8_t>(dtype);
    t.flags = GEMS_T_CONTIGUOUS;
    return t;
  };
  std::vector<gems_tensor> operands;
  for (auto& v : in) operands.push_back(tensor(v.data(), dtype_of<T>));
  gems_call call = make_call(name, {tensor(out.data(), sizeof(R) == 1 ? int{GEMS_BOOL} : dtype_of<T>)}, operands, dtype_of<T>);
  call.npar = static_cast<int32_t>(par.size());
  for (size_t i = 0; i < par.size(); i++) call.par[i].d = par[i];
  EXPECT_EQ(gems::build_pointwise(call), gems::Plan::ok);
  EXPECT_EQ(cpu()->run(&call), GEMS_OK) << name << ": " << cpu()->last_error();
  return out;
}

// |got - want| in units of T's last place at `want`; infinite where one is NaN or infinite and the other isn't.
template <class T> double ulp(T got, real want) {
  typedef std::numeric_limits<T> L;
  if (std::isnan(want) || std::isnan(got)) return std::isnan(want) && std::isnan(got) ? 0 : kInf;
  const T rounded = static_cast<T>(want);
  if (got == rounded) return 0;
  if (std::isinf(want)) return kInf;
  // An overflow by less than an ULP is an ordinary error.
  const real value = std::isinf(got) ? std::copysign(std::ldexp(real(1), L::max_exponent), real(got)) : real(got);
  int exponent;
  std::frexp(want, &exponent);
  return static_cast<double>(std::fabs(value - want) / std::ldexp(real(1), std::max(exponent, L::min_exponent) - L::digits));
}

struct Function {
  const char* name;
  real (*exact)(real);
  double lo, hi;    // dense range, beside all magnitudes in it
  double f32, f64;  // largest error allowed in ULP; measured: the next smaller tenth or two
};
real sigmoid(real x) { return 1 / (1 + std::exp(-x)); }
real silu(real x) { return x / (1 + std::exp(-x)); }
real rsqrt(real x) { return 1 / std::sqrt(x); }
real exp10log(real x) { return std::log10(x); }

// The limits are what was measured (x86-64 v2, v3, v4; the largest is v2's, without FMA) plus about a tenth.
const Function kFunctions[] = {
    {"exp", [](real x) { return std::exp(x); }, -110, 95, 1.3, 1.3},
    {"exp2", [](real x) { return std::exp2(x); }, -155, 135, 1.3, 1.4},
    {"expm1", [](real x) { return std::expm1(x); }, -20, 92, 1.6, 2.3},
    {"log", [](real x) { return std::log(x); }, 0, 50, 0.9, 0.9},
    {"log2", [](real x) { return std::log2(x); }, 0, 50, 1.9, 2.1},
    {"log10", exp10log, 0, 50, 1.9, 1.9},
    {"log1p", [](real x) { return std::log1p(x); }, -1, 50, 1.5, 1.5},
    {"sin", [](real x) { return std::sin(x); }, -50, 50, 1.6, 1.7},
    {"cos", [](real x) { return std::cos(x); }, -50, 50, 1.6, 1.7},
    {"tan", [](real x) { return std::tan(x); }, -50, 50, 3.5, 3.6},
    {"tanh", [](real x) { return std::tanh(x); }, -12, 12, 2.5, 2.5},
    {"sigmoid", sigmoid, -87, 95, 2.6, 2.6},
    {"silu", silu, -80, 95, 2.5, 2.5},
    {"erf", [](real x) { return std::erf(x); }, -7, 7, 4.0, 1.7},
    {"asin", [](real x) { return std::asin(x); }, -1, 1, 2.4, 2.3},
    {"acos", [](real x) { return std::acos(x); }, -1, 1, 1.2, 1.2},
    {"atan", [](real x) { return std::atan(x); }, -30, 30, 2.1, 1.5},
    {"sinh", [](real x) { return std::sinh(x); }, -92, 92, 1.8, 1.8},
    {"cosh", [](real x) { return std::cosh(x); }, -92, 92, 1.5, 1.5},
    {"asinh", [](real x) { return std::asinh(x); }, -90, 90, 1.7, 1.7},
    {"acosh", [](real x) { return std::acosh(x); }, 1, 90, 2.1, 1.7},
    {"atanh", [](real x) { return std::atanh(x); }, -1, 1, 2.1, 1.8},
    {"erfc", [](real x) { return std::erfc(x); }, -7, 11, 5, 7},
    {"sqrt", [](real x) { return std::sqrt(x); }, 0, 100, 0.501, 0.501},
    {"rsqrt", rsqrt, 0, 100, 1.6, 1.6},
    {"reciprocal", [](real x) { return 1 / x; }, -10, 10, 0.501, 0.501},
    {"floor", [](real x) { return std::floor(x); }, -10, 10, 0, 0},
    {"ceil", [](real x) { return std::ceil(x); }, -10, 10, 0, 0},
    {"trunc", [](real x) { return std::trunc(x); }, -10, 10, 0, 0},
    {"round", [](real x) { return std::nearbyint(x); }, -10, 10, 0, 0},
};

template <class T> std::vector<T> range_of(const Function& f) {
  typedef std::numeric_limits<T> L;
  std::vector<T> x;
  constexpr int steps = 60000;
  for (int i = 0; i <= steps; i++) x.push_back(static_cast<T>(f.lo + (f.hi - f.lo) * i / steps));
  for (double e = L::min_exponent - L::digits; e < 8; e += sizeof(T) == 4 ? 0.01 : 0.07)
    for (double s : {-1., 1.})
      if (const double v = s * std::exp2(e); v >= f.lo && v <= f.hi) x.push_back(static_cast<T>(v));
  return x;
}
template <class T> std::vector<T> specials() {
  typedef std::numeric_limits<T> L;
  std::vector<T> x;
  for (T v :
       {T(0), L::infinity(), L::denorm_min(), L::min() / 3, L::min(), L::max(), T(1), T(0.5), T(1e5), T(1e6), T(4.5e8), T(1e20)})
    x.insert(x.end(), {v, -v});
  x.insert(x.end(), {L::quiet_NaN(), -L::quiet_NaN()});
  return x;
}

class Math : public Family {};
INSTANTIATE_TEST_SUITE_P(Isa, Math, testing::ValuesIn(instruction_sets()), variant_label);

template <class T> void check_function(const Function& f, double limit) {
  const std::vector<T> x = range_of<T>(f), y = apply<T, T>(f.name, {x});
  double worst = 0;
  T at = 0;
  for (size_t i = 0; i < x.size(); i++)
    if (const double u = ulp<T>(y[i], f.exact(x[i])); u > worst) worst = u, at = x[i];
  EXPECT_LE(worst, limit) << f.name << (sizeof(T) == 4 ? " float" : " double") << " at " << at;

  const std::vector<T> s = specials<T>(), r = apply<T, T>(f.name, {s});
  for (size_t i = 0; i < s.size(); i++) {
    const real want = f.exact(s[i]);
    const T rounded = static_cast<T>(want);
    // exp(-x) of a sigmoid overflows before the result is 0, as in torch.
    const bool vanishes = std::fabs(rounded) < std::numeric_limits<T>::min() && r[i] == 0 && s[i] < -80;
    if (!vanishes) EXPECT_LE(ulp<T>(r[i], want), std::max(limit, 1.)) << f.name << "(" << s[i] << ") = " << r[i];
    if (rounded == 0) EXPECT_EQ(std::signbit(r[i]), std::signbit(rounded)) << f.name << "(" << s[i] << ")";
  }
}

TEST_P(Math, ErrorsInUlp) {
  for (const Function& f : kFunctions) {
    check_function<float>(f, f.f32);
    check_function<double>(f, f.f64);
  }
}

// Reduction of large arguments, up to where the scalar path takes over and beyond.
TEST_P(Math, LargeAngles) {
  const auto check = [](auto zero, double first, double last, double growth) {
    typedef decltype(zero) T;
    std::vector<T> x;
    for (double v = first; v < last; v *= growth) x.insert(x.end(), {static_cast<T>(v), static_cast<T>(-v)});
    const std::vector<T> s = apply<T, T>("sin", {x}), c = apply<T, T>("cos", {x}), t = apply<T, T>("tan", {x});
    for (size_t i = 0; i < x.size(); i++) {
      // glibc's double functions are correct to less than an ULP for every argument, x87's long double reduction as well.
      EXPECT_LE(ulp<T>(s[i], std::sin(real(x[i]))), 2) << x[i];
      EXPECT_LE(ulp<T>(c[i], std::cos(real(x[i]))), 2) << x[i];
      EXPECT_LE(ulp<T>(t[i], std::tan(real(x[i]))), 4) << x[i];
    }
  };
  check(0.f, 50, 1e9, 1.00037);
  check(0.f, 1e9, 3e38, 1.1);
  check(0., 50, 3e6, 1.00037);
  check(0., 1e6, 1e300, 1.3);
}

template <class T> std::vector<std::vector<T>> pairs(const std::vector<T>& values) {
  std::vector<std::vector<T>> xy(2);
  for (T a : values)
    for (T b : values) xy[0].push_back(a), xy[1].push_back(b);
  return xy;
}
template <class T> const std::vector<T> kEdges = {T(0),
                                                  T(-0.),
                                                  T(1),
                                                  T(-1),
                                                  T(2),
                                                  T(-2),
                                                  T(0.5),
                                                  T(-0.5),
                                                  T(3),
                                                  T(-3),
                                                  T(2.5),
                                                  T(-2.5),
                                                  T(1e-40),
                                                  T(-1e-40),
                                                  T(1e10),
                                                  T(-1e10),
                                                  T(16777215),
                                                  T(16777216),
                                                  T(-33554431),
                                                  T(7),
                                                  T(-7),
                                                  T(0.1),
                                                  T(1) - std::numeric_limits<T>::epsilon(),
                                                  T(3e38),
                                                  T(-3e38),
                                                  T(kInf),
                                                  T(-kInf),
                                                  T(kNan)};

template <class T> void expect_same(T got, T want, const char* what, T x, T y) {
  EXPECT_TRUE(std::isnan(want) ? std::isnan(got) : got == want && std::signbit(got) == std::signbit(want))
      << what << "(" << x << ", " << y << ") = " << got << " instead of " << want;
}

template <class T> void check_pow(double limit) {
  auto xy = pairs(kEdges<T>);
  const auto edges = apply<T, T>("pow", xy);
  for (size_t i = 0; i < edges.size(); i++) {
    const real want = std::pow(real(xy[0][i]), real(xy[1][i]));
    EXPECT_LE(ulp<T>(edges[i], want), limit) << xy[0][i] << " ^ " << xy[1][i] << " = " << edges[i];
    if (!std::isnan(want)) EXPECT_EQ(std::signbit(edges[i]), std::signbit(want)) << xy[0][i] << " ^ " << xy[1][i];
  }
  std::vector<std::vector<T>> many(2);
  for (int i = 0; i < 100000; i++) {
    many[0].push_back(static_cast<T>(std::exp2(-30 + i % 6007 / 100.)));
    many[1].push_back(static_cast<T>(-20 + i % 4001 / 100.));
  }
  const auto z = apply<T, T>("pow", many);
  double worst = 0;
  for (size_t i = 0; i < z.size(); i++) worst = std::max(worst, ulp<T>(z[i], std::pow(real(many[0][i]), real(many[1][i]))));
  EXPECT_LE(worst, limit);
  // A number as exponent: the cases with a loop of their own, and the general one.
  for (double e : {2., 3., 0.5, -0.5, -1., -2., 2.5, 0., 1., -3., 4.})
    for (const auto& v : {many[0], std::vector<T>{T(0), T(1), T(kInf), T(kNan)}}) {
      const auto p = apply<T, T>("pow_tensor_scalar", {v}, {e});
      for (size_t i = 0; i < p.size(); i++) EXPECT_LE(ulp<T>(p[i], std::pow(real(v[i]), real(e))), 1.6) << v[i] << " ^ " << e;
    }
}
TEST_P(Math, Powers) {
  check_pow<float>(0.6);
  check_pow<double>(1.0);
}

template <class T> void check_division() {
  auto xy = pairs(kEdges<T>);
  for (int i = 0; i < 20000; i++) {
    xy[0].push_back(static_cast<T>(std::ldexp((i * 2654435761u >> 4) % 16777213 - 8e6, i % 97 - 48)));
    xy[1].push_back(static_cast<T>(std::ldexp((i * 2246822519u >> 3) % 16777183 - 8e6, i % 41 - 20)));
  }
  const std::vector<T>&x = xy[0], &y = xy[1];
  const auto f = apply<T, T>("fmod", xy), r = apply<T, T>("remainder", xy), q = apply<T, T>("floor_divide", xy);
  const auto down = apply<T, T>("div_mode", xy, {1}), in = apply<T, T>("div_mode", xy, {0});
  for (size_t i = 0; i < x.size(); i++) {
    const T m = std::fmod(x[i], y[i]);
    const bool shift = m != 0 && (y[i] < 0) != (m < 0);
    expect_same(f[i], m, "fmod", x[i], y[i]);
    expect_same(r[i], shift ? m + y[i] : m, "remainder", x[i], y[i]);
    T want = x[i] / y[i];
    if (y[i] != 0) {  // c10::div_floor_floating
      T d = (x[i] - m) / y[i];
      if (shift) d -= 1;
      if (d == 0) want = std::copysign(T(0), x[i] / y[i]);
      else want = d - std::floor(d) > T(0.5) ? std::floor(d) + 1 : std::floor(d);
    }
    expect_same(q[i], want, "floor_divide", x[i], y[i]);
    expect_same(down[i], want, "div floor", x[i], y[i]);
    expect_same(in[i], std::trunc(x[i] / y[i]), "div trunc", x[i], y[i]);
  }
}
TEST_P(Math, DivisionWithRounding) {
  check_division<float>();
  check_division<double>();
}

template <class T> void check_order() {
  const auto xy = pairs(kEdges<T>);
  const auto hi = apply<T, T>("maximum", xy), lo = apply<T, T>("minimum", xy), fhi = apply<T, T>("fmax", xy),
             flo = apply<T, T>("fmin", xy);
  const auto lt = apply<char, T>("lt", xy), ge = apply<char, T>("ge", xy), eq = apply<char, T>("eq", xy),
             ne = apply<char, T>("ne", xy);
  const auto inside = apply<T, T>("clamp", {xy[0], xy[1], std::vector<T>(xy[0].size(), T(2))});
  const auto open = apply<T, T>("clamp", {xy[0], std::vector<T>(xy[0].size(), T(kNan)), xy[1]});
  const auto relu = apply<T, T>("relu", {xy[0]});
  const auto same = [](T a, T b) { return a == b || (std::isnan(a) && std::isnan(b)); };
  for (size_t i = 0; i < hi.size(); i++) {
    const T x = xy[0][i], y = xy[1][i];
    const bool nan = std::isnan(x) || std::isnan(y);
    EXPECT_TRUE(same(hi[i], nan ? T(kNan) : std::max(x, y))) << x << " " << y << " " << hi[i];
    EXPECT_TRUE(same(lo[i], nan ? T(kNan) : std::min(x, y))) << x << " " << y << " " << lo[i];
    EXPECT_TRUE(same(fhi[i], std::fmax(x, y))) << x << " " << y << " " << fhi[i];
    EXPECT_TRUE(same(flo[i], std::fmin(x, y))) << x << " " << y << " " << flo[i];
    EXPECT_EQ(lt[i], x < y);
    EXPECT_EQ(ge[i], x >= y);
    EXPECT_EQ(eq[i], x == y);
    EXPECT_EQ(ne[i], x != y);
    EXPECT_TRUE(same(inside[i], nan ? T(kNan) : std::min(std::max(x, y), T(2)))) << x << " " << y << " " << inside[i];
    EXPECT_TRUE(std::isnan(open[i])) << x << " " << y << " " << open[i];
    EXPECT_TRUE(same(relu[i], std::isnan(x) ? x : std::max(x, T(0))));
  }
}
TEST_P(Math, OrderWithNan) {
  check_order<float>();
  check_order<double>();
}

template <class T> void check_planar(double limit) {
  auto xy = pairs(kEdges<T>);
  typedef std::numeric_limits<T> L;
  const size_t edges = xy[0].size();
  for (T a : {L::denorm_min(), L::min(), L::max(), T(3)})
    for (T b : {L::denorm_min(), -L::min(), L::max(), T(-4)}) xy[0].push_back(a), xy[1].push_back(b);
  for (int i = 0; i < 50000; i++) {
    xy[0].push_back(static_cast<T>(std::ldexp((i * 2654435761u >> 4) % 16777213 - 8e6, i % 47 - 24)));
    xy[1].push_back(static_cast<T>(std::ldexp((i * 2246822519u >> 3) % 16777183 - 8e6, i % 41 - 20)));
  }
  const auto angle = apply<T, T>("atan2", xy), length = apply<T, T>("hypot", xy), next = apply<T, T>("nextafter", xy);
  double worst[2] = {0, 0};
  for (size_t i = 0; i < angle.size(); i++) {
    const T x = xy[0][i], y = xy[1][i];
    const real want[2] = {std::atan2(real(x), real(y)), std::hypot(real(x), real(y))};
    const double far[2] = {ulp<T>(angle[i], want[0]), ulp<T>(length[i], want[1])};
    for (int k = 0; k < 2; k++) {
      worst[k] = std::max(worst[k], far[k]);
      if (i < edges) EXPECT_LE(far[k], limit) << (k ? "hypot " : "atan2 ") << x << " " << y << " " << (k ? length[i] : angle[i]);
    }
    if (!std::isnan(want[0])) EXPECT_EQ(std::signbit(angle[i]), std::signbit(want[0])) << x << " " << y;
    expect_same(next[i], std::nextafter(x, y), "nextafter", x, y);
  }
  EXPECT_LE(worst[0], limit);
  EXPECT_LE(worst[1], 1.3);
}
TEST_P(Math, PlanarAndNext) {
  check_planar<float>(3);
  check_planar<double>(3);
}

// The activations and their slopes: absolute errors, since both cancel in the negative tail (as ATen's formulas do).
template <class T> void check_activations(double eps) {
  std::vector<T> x;
  for (int i = -8000; i <= 8000; i++) x.push_back(static_cast<T>(i / 1000.));
  const std::vector<T> one(x.size(), T(1));
  const auto g = apply<T, T>("gelu", {x}, {0}), gt = apply<T, T>("gelu", {x}, {1});
  const auto dg = apply<T, T>("gelu_backward", {one, x}, {0}), dgt = apply<T, T>("gelu_backward", {one, x}, {1});
  const auto ds = apply<T, T>("silu_backward", {one, x});
  const real rt2 = std::sqrt(real(2)), rt_pi = std::sqrt(2 / std::acos(real(-1)));
  for (size_t i = 0; i < x.size(); i++) {
    const real v = x[i], cdf = std::erfc(-v / rt2) / 2, pdf = std::exp(-v * v / 2) * rt_pi / 2;
    const real u = rt_pi * (v + real(0.044715) * v * v * v), t = std::tanh(u), du = rt_pi * (1 + 3 * real(0.044715) * v * v);
    const real s = 1 / (1 + std::exp(-v)), tolerance = eps * std::max<real>(1, std::fabs(v));
    EXPECT_NEAR(g[i], v * cdf, tolerance) << v;
    EXPECT_NEAR(gt[i], v * (1 + t) / 2, tolerance) << v;
    EXPECT_NEAR(dg[i], cdf + v * pdf, tolerance) << v;
    EXPECT_NEAR(dgt[i], (1 + t) / 2 + v * (1 - t * t) * du / 2, 4 * tolerance) << v;
    EXPECT_NEAR(ds[i], s * (1 + v * (1 - s)), tolerance) << v;
  }
}
TEST_P(Math, Activations) {
  check_activations<float>(3e-7);
  check_activations<double>(5e-16);
}

}  // namespace
