// Matrix products of the CPU backend against a float64 (integers: 64-bit) reference: every compiled instruction set that this
// machine can run, every kernel, layouts, odd sizes, broadcasts, aliasing. Opens the backend with a host of its own.
#include <gtest/gtest.h>

#include <dlfcn.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "gems/backend_abi.h"
#include "gems/op.h"

namespace {
int host_threads = 1;

// Two threads of our own when asked for; else serial. Pieces as the framework makes them.
void parallel_for(int64_t n, int64_t grain, void (*fn)(void*, int64_t, int64_t), void* context) {
  if (host_threads == 1 || n <= grain) return fn(context, 0, n);
  std::thread other([&] { fn(context, n / 2, n); });
  fn(context, 0, n / 2);
  other.join();
}
const char* setting(const char* name) { return std::strcmp(name, "GEMS_MATMUL") == 0 ? "own" : nullptr; }

const gems_backend* backend() {
  static const gems_host host = [] {
    gems_host h{};
    h.abi_version = GEMS_ABI_VERSION;
    h.parallel_for = parallel_for;
    h.num_threads = [] { return host_threads; };
    h.setting = setting;
    return h;
  }();
  static const gems_backend* const b = []() -> const gems_backend* {
    void* library = dlopen(GEMS_LIB_DIR "/libgems_cpu.so", RTLD_NOW | RTLD_LOCAL);
    auto entry = library ? reinterpret_cast<gems_backend_entry_fn>(dlsym(library, "gems_backend_entry")) : nullptr;
    return entry ? entry(&host) : nullptr;
  }();
  return b;
}
int isa_count() {
  int n = 0;
  while (backend()->variant_name(n)) n++;
  return n;
}

const gems_op_info matmul_op = [] {
  gems_op_info op{};
  op.name = "matmul";
  op.family = static_cast<uint8_t>(gems::family::matmul);
  return op;
}();

// ---- storage types, converted here by other means than the kernels' ----
struct Bf16 {
  uint16_t bits;
};
struct F16 {
  uint16_t bits;
};
double value(float x) { return x; }
double value(double x) { return x; }
double value(Bf16 x) {
  uint32_t u = uint32_t{x.bits} << 16;
  float f;
  std::memcpy(&f, &u, 4);
  return f;
}
double value(F16 x) {
  int e = x.bits >> 10 & 31, m = x.bits & 1023;
  double v = e == 31 ? (m ? NAN : INFINITY) : e ? std::ldexp(1024 + m, e - 25) : std::ldexp(m, -24);
  return x.bits & 0x8000 ? -v : v;
}
// Rounds to `digits` significant bits with a least exponent, to nearest even.
double round_to(double x, int digits, int least) {
  if (x == 0 || !std::isfinite(x)) return x;
  int e = std::max(std::ilogb(x), least) - digits + 1;
  return std::ldexp(std::nearbyint(std::ldexp(x, -e)), e);
}
template <class T> T make(double x) {
  if constexpr (std::is_same_v<T, Bf16>) {
    float f = static_cast<float>(round_to(x, 8, -126));
    uint32_t u;
    std::memcpy(&u, &f, 4);
    return {static_cast<uint16_t>(u >> 16)};
  } else if constexpr (std::is_same_v<T, F16>) {
    x = round_to(x, 11, -14);
    uint16_t sign = std::signbit(x) ? 0x8000 : 0;
    double a = std::fabs(x);
    if (std::isnan(x)) return {0x7e00};
    if (a >= 65536) return {static_cast<uint16_t>(sign | 0x7c00)};
    if (a < std::ldexp(1, -14)) return {static_cast<uint16_t>(sign | static_cast<int>(std::ldexp(a, 24)))};
    int e = std::ilogb(a);
    return {static_cast<uint16_t>(sign | (e + 15) << 10 | (static_cast<int>(std::ldexp(a, 10 - e)) & 1023))};
  } else {
    return static_cast<T>(x);
  }
}
template <class T> struct dtype_of;
template <> struct dtype_of<float> {
  static constexpr int id = GEMS_F32;
  static constexpr double eps = 6e-8;
};
template <> struct dtype_of<double> {
  static constexpr int id = GEMS_F64;
  static constexpr double eps = 1.2e-16;
};
template <> struct dtype_of<Bf16> {
  static constexpr int id = GEMS_BF16;
  static constexpr double eps = 1. / 256;
};
template <> struct dtype_of<F16> {
  static constexpr int id = GEMS_F16;
  static constexpr double eps = 1. / 2048;
};
template <> struct dtype_of<uint8_t> { static constexpr int id = GEMS_U8; };
template <> struct dtype_of<int8_t> { static constexpr int id = GEMS_I8; };
template <> struct dtype_of<int16_t> { static constexpr int id = GEMS_I16; };
template <> struct dtype_of<int32_t> { static constexpr int id = GEMS_I32; };
template <> struct dtype_of<int64_t> { static constexpr int id = GEMS_I64; };

std::mt19937_64 random_bits(7);

// A strided tensor inside a larger buffer whose other elements are guarded.
template <class T> struct Tensor {
  std::vector<T> data;
  std::vector<int64_t> sizes, strides;
  int64_t at = 64;
  T* ptr() { return data.data() + at; }
  T& operator()(int64_t b, int64_t i, int64_t j) {
    int64_t o = 0;
    if (sizes.size() == 3) o = b * strides[0] + i * strides[1] + j * strides[2];
    else if (sizes.size() == 2) o = i * strides[0] + j * strides[1];
    else o = i * strides[0];
    return data[static_cast<size_t>(at + o)];
  }
};
// layout: r row-major, c column-major, p row-major with padded rows, s every second element of padded rows.
template <class T> Tensor<T> tensor(int64_t batch, int64_t rows, int64_t columns, char layout, bool batch0 = false) {
  Tensor<T> t;
  int64_t rs = columns, cs = 1, span = rows * columns;
  if (layout == 'c') rs = 1, cs = rows;
  if (layout == 'p') rs = columns + 5, span = rows * rs;
  if (layout == 's') cs = 2, rs = 2 * columns + 3, span = rows * rs;
  t.sizes = {rows, columns}, t.strides = {rs, cs};
  if (batch) t.sizes.insert(t.sizes.begin(), batch), t.strides.insert(t.strides.begin(), batch0 ? 0 : span);
  t.data.resize(static_cast<size_t>(std::max<int64_t>(batch, 1) * span + 128));
  std::uniform_int_distribution<int> small(-100, 100);
  std::normal_distribution<double> normal;
  for (T& x : t.data) {
    if constexpr (std::is_integral_v<T>) x = sizeof(T) == 8 ? static_cast<T>(random_bits()) : static_cast<T>(small(random_bits));
    else x = make<T>(normal(random_bits));
  }
  return t;
}
template <class T> gems_tensor view(Tensor<T>& t) {
  gems_tensor g{};
  g.data = t.ptr(), g.sizes = t.sizes.data(), g.strides = t.strides.data();
  g.ndim = static_cast<int32_t>(t.sizes.size()), g.dtype = dtype_of<T>::id;
  g.numel = 1;
  for (int64_t s : t.sizes) g.numel *= s;
  return g;
}
gems_tensor absent() {
  gems_tensor g{};
  g.flags = GEMS_T_ABSENT;
  return g;
}

template <class T> gems_status run(Tensor<T>& out, Tensor<T>* self, Tensor<T>& a, Tensor<T>& b, double beta, double alpha) {
  gems_call c{};
  c.op = &matmul_op;
  c.nout = 1, c.nin = 3, c.npar = 2;
  c.par[0].d = beta, c.par[1].d = alpha;
  c.t[0] = view(out), c.t[1] = self ? view(*self) : absent(), c.t[2] = view(a), c.t[3] = view(b);
  return backend()->run(&c);
}

// Runs and compares every element; also that nothing outside of out's elements was written.
template <class T> void check(Tensor<T>& out, Tensor<T>* self, Tensor<T>& a, Tensor<T>& b, double beta = 1, double alpha = 1) {
  const bool batched = a.sizes.size() == 3;
  const int64_t count = batched ? a.sizes[0] : 1, m = a.sizes[batched], k = a.sizes[batched + 1];
  const int64_t n = b.sizes.size() == 1 ? 1 : b.sizes[batched + 1];
  Tensor<T> before = out, s = self ? *self : out;
  auto self_at = [&](int64_t g, int64_t i, int64_t j) {
    const size_t nd = s.sizes.size();
    int64_t index[3] = {g, i, j}, o = 0;
    for (size_t d = 0; d < nd; d++) {
      int64_t x = out.sizes.size() == 1 ? i : index[3 - nd + d];
      o += s.sizes[d] == 1 ? 0 : x * s.strides[d];
    }
    return s.data[static_cast<size_t>(s.at + o)];
  };
  ASSERT_EQ(run(out, self, a, b, beta, alpha), GEMS_OK) << backend()->last_error();
  std::vector<char> written(out.data.size());
  for (int64_t g = 0; g < count; g++)
    for (int64_t i = 0; i < m; i++)
      for (int64_t j = 0; j < n; j++) {
        const T got = out(g, i, j);
        written[static_cast<size_t>(&out(g, i, j) - out.data.data())] = 1;
        if constexpr (std::is_integral_v<T>) {
          uint64_t sum = 0;
          for (int64_t l = 0; l < k; l++) sum += static_cast<uint64_t>(a(g, i, l)) * static_cast<uint64_t>(b(g, l, j));
          sum *= static_cast<uint64_t>(static_cast<int64_t>(alpha));
          if (self && beta != 0)
            sum += static_cast<uint64_t>(self_at(g, i, j)) * static_cast<uint64_t>(static_cast<int64_t>(beta));
          ASSERT_EQ(got, static_cast<T>(sum)) << g << " " << i << " " << j;
        } else {
          double sum = 0, size = 0;
          for (int64_t l = 0; l < k; l++) {
            double x = value(a(g, i, l)) * value(b(g, l, j));
            sum += x, size += std::fabs(x);
          }
          double want = alpha * sum, bound = std::fabs(alpha) * size;
          if (self && beta != 0) {
            double x = value(self_at(g, i, j)) * beta;
            want += x, bound += std::fabs(x);
          }
          const double compute = std::is_same_v<T, double> ? 1.2e-16 : 6e-8;
          // Sums in vectors and blocks: the error grows far slower than k; one rounding to T at the end.
          bound = bound * compute * (4 + std::sqrt(double(k))) + std::fabs(want) * dtype_of<T>::eps * 1.01 + 1e-7;
          ASSERT_NEAR(value(got), want, bound) << g << " " << i << " " << j << " m " << m << " n " << n << " k " << k;
        }
      }
  for (size_t i = 0; i < written.size(); i++)
    ASSERT_TRUE(written[i] || std::memcmp(&out.data[i], &before.data[i], sizeof(T)) == 0) << "wrote outside at " << i;
}

template <class T> class Matmul : public testing::Test {
 protected:
  void SetUp() override { ASSERT_NE(backend(), nullptr) << dlerror(); }
  // Runs the body for each instruction set.
  template <class F> void each(F&& body, std::vector<int> thread_counts = {1}) {
    for (int threads : thread_counts)
      for (int isa = 0; isa < isa_count(); isa++) {
        backend()->force_variant(isa);
        host_threads = threads;
        SCOPED_TRACE(testing::Message() << backend()->variant_name(isa) << ", threads: " << threads);
        body();
        if (this->HasFatalFailure()) return;
      }
  }
};
using Types = testing::Types<float, double, Bf16, F16, uint8_t, int8_t, int16_t, int32_t, int64_t>;
TYPED_TEST_SUITE(Matmul, Types);

struct Size {
  int64_t m, n, k;
};

TYPED_TEST(Matmul, LayoutsAndOddSizes) {
  using T = TypeParam;
  const Size sizes[] = {{1, 1, 1},    {1, 5, 3},    {3, 1, 70},   {1, 70, 33},  {2, 67, 64},
                        {7, 19, 130}, {16, 16, 16}, {13, 50, 17}, {50, 13, 65}, {5, 200, 1}};
  this->each([&] {
    for (Size s : sizes)
      for (char la : {'r', 'c', 'p', 's'})
        for (char lb : {'r', 'c', 'p', 's'}) {
          auto a = tensor<T>(0, s.m, s.k, la), b = tensor<T>(0, s.k, s.n, lb), out = tensor<T>(0, s.m, s.n, la == 'c' ? 's' : lb);
          check<T>(out, nullptr, a, b);
          if (this->HasFatalFailure()) return;
        }
  });
}

TYPED_TEST(Matmul, LargeEnoughForEveryKernelAndForThreads) {
  using T = TypeParam;
  const Size sizes[] = {{1, 640, 577}, {3, 300, 1500}, {17, 301, 300}, {70, 90, 1100}, {130, 140, 70}, {300, 2, 600}};
  this->each(
      [&] {
        for (Size s : sizes)
          for (const char* layout : {"rr", "rc", "cr", "ss"}) {
            auto a = tensor<T>(0, s.m, s.k, layout[0]), b = tensor<T>(0, s.k, s.n, layout[1]), out = tensor<T>(0, s.m, s.n, 'r');
            check<T>(out, nullptr, a, b);
            if (this->HasFatalFailure()) return;
          }
      },
      {1, 2});
}

TYPED_TEST(Matmul, SelfAlphaBeta) {
  using T = TypeParam;
  this->each([&] {
    for (char lb : {'r', 'c', 's'}) {
      for (Size s : {Size{4, 40, 30}, Size{80, 90, 70}}) {
        auto a = tensor<T>(0, s.m, s.k, 'r'), b = tensor<T>(0, s.k, s.n, lb), out = tensor<T>(0, s.m, s.n, 'r');
        auto full = tensor<T>(0, s.m, s.n, 'c'), row = tensor<T>(0, 1, s.n, 'r'), column = tensor<T>(0, s.m, 1, 'r'),
             one = tensor<T>(0, 1, 1, 'r');
        auto bias = row;
        bias.sizes = {s.n}, bias.strides = {1};
        for (auto* self : {&full, &row, &column, &one, &bias}) {
          check<T>(out, self, a, b, 2, 3);
          check<T>(out, self, a, b, 1, 1);
        }
        // In place: self is out.
        auto copy = out, expected = tensor<T>(0, s.m, s.n, 'r');
        ASSERT_EQ(run(expected, &copy, a, b, 2., -1.), GEMS_OK);
        ASSERT_EQ(run(out, &out, a, b, 2., -1.), GEMS_OK);
        for (int64_t i = 0; i < s.m; i++)
          for (int64_t j = 0; j < s.n; j++) ASSERT_EQ(std::memcmp(&out(0, i, j), &expected(0, i, j), sizeof(T)), 0);
        if (this->HasFatalFailure()) return;
      }
    }
  });
}

TYPED_TEST(Matmul, Batches) {
  using T = TypeParam;
  this->each(
      [&] {
        for (Size s : {Size{1, 64, 37}, Size{1, 70, 64}, Size{5, 9, 20}, Size{66, 67, 68}})
          for (const char* layout : {"rr", "rc", "cp"})
            for (bool shared : {false, true}) {
              auto a = tensor<T>(9, s.m, s.k, layout[0]), b = tensor<T>(9, s.k, s.n, layout[1], shared),
                   out = tensor<T>(9, s.m, s.n, 'p');
              check<T>(out, nullptr, a, b);
              auto self = tensor<T>(9, s.m, s.n, 'r');
              check<T>(out, &self, a, b, 2, 1);
              auto bias = tensor<T>(1, 1, s.n, 'r');
              check<T>(out, &bias, a, b, 1, 2);
              if (this->HasFatalFailure()) return;
            }
      },
      {2});
}

TYPED_TEST(Matmul, Vectors) {
  using T = TypeParam;
  this->each([&] {
    for (char la : {'r', 'c', 's'}) {
      auto a = tensor<T>(0, 200, 333, la), b = tensor<T>(0, 333, 1, 'r'), out = tensor<T>(0, 200, 1, 's'),
           self = tensor<T>(0, 200, 1, 'r');
      check<T>(out, nullptr, a, b);  // b as [k, 1], out as [m, 1]
      b.sizes = {333}, b.strides = {1}, out.sizes = {200}, out.strides = {out.strides[0]}, self.sizes = {200}, self.strides = {1};
      check<T>(out, nullptr, a, b);
      check<T>(out, &self, a, b, 3, 2);
      if (this->HasFatalFailure()) return;
    }
  });
}

TYPED_TEST(Matmul, EmptyAndZeroDepth) {
  using T = TypeParam;
  this->each([&] {
    auto a = tensor<T>(0, 4, 0, 'r'), b = tensor<T>(0, 0, 70, 'r'), out = tensor<T>(0, 4, 70, 'r'),
         self = tensor<T>(0, 1, 70, 'r');
    check<T>(out, nullptr, a, b);
    check<T>(out, &self, a, b, 2, 1);
    for (Size s : {Size{0, 4, 3}, Size{4, 0, 3}}) {
      auto a0 = tensor<T>(0, s.m, s.k, 'r'), b0 = tensor<T>(0, s.k, s.n, 'r'), out0 = tensor<T>(0, s.m, s.n, 'r');
      check<T>(out0, nullptr, a0, b0);
    }
  });
}

template <class T> class FloatMatmul : public Matmul<T> {};
using FloatTypes = testing::Types<float, double, Bf16, F16>;
TYPED_TEST_SUITE(FloatMatmul, FloatTypes);

TYPED_TEST(FloatMatmul, BetaZeroIgnoresSelfAndNanSpreadsFromOperands) {
  using T = TypeParam;
  this->each([&] {
    for (Size s : {Size{2, 70, 40}, Size{80, 90, 70}}) {
      auto a = tensor<T>(0, s.m, s.k, 'r'), b = tensor<T>(0, s.k, s.n, 'c'), out = tensor<T>(0, s.m, s.n, 'r'), self = out;
      for (T& x : self.data) x = make<T>(NAN);
      check<T>(out, &self, a, b, 0, 1);
      b(0, 3, 5) = make<T>(NAN);
      b(0, 3, 6) = make<T>(INFINITY);
      ASSERT_EQ(run<T>(out, nullptr, a, b, 0, 1), GEMS_OK);
      for (int64_t i = 0; i < s.m; i++) {
        ASSERT_TRUE(std::isnan(value(out(0, i, 5))));
        ASSERT_TRUE(std::isinf(value(out(0, i, 6))));
        ASSERT_TRUE(std::isfinite(value(out(0, i, 4))));
      }
    }
  });
}

TEST(MatmulCall, Refuses) {
  ASSERT_NE(backend(), nullptr);
  auto a = tensor<float>(0, 4, 4, 'r'), b = tensor<float>(0, 4, 4, 'r'), out = tensor<float>(0, 4, 4, 'r');
  EXPECT_EQ(run<float>(a, nullptr, a, b, 0, 1), GEMS_UNSUPPORTED);  // out is an operand
  auto transposed = out;
  gems_call c{};
  c.op = &matmul_op;
  c.nout = 1, c.nin = 3, c.npar = 2, c.par[0].d = c.par[1].d = 1;
  c.t[0] = view(out), c.t[2] = view(a), c.t[3] = view(b);
  transposed.strides = {1, 4};
  c.t[1] = view(transposed);
  c.t[1].data = out.ptr();
  EXPECT_EQ(backend()->run(&c), GEMS_UNSUPPORTED);  // self is another view of out
  c.t[1] = absent();
  c.t[2].dtype = GEMS_F64;
  EXPECT_EQ(backend()->run(&c), GEMS_UNSUPPORTED);
  c.t[0].dtype = c.t[2].dtype = c.t[3].dtype = GEMS_BOOL;
  EXPECT_EQ(backend()->run(&c), GEMS_UNSUPPORTED);
}

TEST(MatmulCall, TheSameNumbersOnAnyThreads) {
  auto a = tensor<float>(0, 3, 1000, 'r'), b = tensor<float>(0, 1000, 900, 'c'), one = tensor<float>(0, 3, 900, 'r'), two = one;
  ASSERT_NE(backend(), nullptr);
  backend()->force_variant(-1);
  host_threads = 1;
  ASSERT_EQ(run<float>(one, nullptr, a, b, 0, 1), GEMS_OK);
  host_threads = 2;
  ASSERT_EQ(run<float>(two, nullptr, a, b, 0, 1), GEMS_OK);
  EXPECT_EQ(one.data, two.data);
}

}  // namespace
