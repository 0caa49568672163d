// The scan family of the CPU backend against a float64 reference.
#include "tests/cpp/family_test.h"

namespace gems::test {
namespace {

struct Layout {
  std::vector<int64_t> sizes;
  int dim;
  std::vector<int> order;
  int64_t gap = 1;
};
const std::vector<Layout> kLayouts = {
    {{1}, 0},
    {{7}, 0},
    {{1000}, 0},
    {{3, 140001}, 1},
    {{300001}, 0},
    {{50, 40}, 1},
    {{50, 40}, 0},
    {{9, 1100}, 0},
    {{6, 20, 30}, 1},
    {{33, 65}, 1, {1, 0}},
    {{33, 65}, 0, {1, 0}},
    {{20, 31}, 1, {}, 2},
    {{20, 31}, 0, {}, 3},
    {{5, 1}, 1},
    {{70, 4097}, 1},
};

std::string name(const char* op, const Layout& l, int dtype) {
  std::string s = std::string(op) + " " + dtype_name(dtype) + " [";
  for (int64_t n : l.sizes) s += std::to_string(n) + " ";
  return s + "] dim " + std::to_string(l.dim) + " gap " + std::to_string(l.gap);
}

gems_status scan(const char* op, const Layout& l, int compute, Tensor& out, Tensor& in) {
  gems_call call = make_call(op, {out.ref()}, {in.ref()}, compute);
  EXPECT_EQ(build_row(call, l.dim, 1), Plan::ok) << plan_reason();
  return cpu()->run(&call);
}

template <class F> void each_row(const Layout& l, F f) {
  int64_t inner = 1, outer = 1;
  const int64_t n = l.sizes[l.dim];
  for (int d = 0; d < static_cast<int>(l.sizes.size()); d++)
    if (d != l.dim) (d < l.dim ? outer : inner) *= l.sizes[d];
  for (int64_t o = 0; o < outer; o++)
    for (int64_t i = 0; i < inner; i++) f([=](int64_t k) { return (o * n + k) * inner + i; }, n);
}

TEST_P(Family, Scans) {
  for (int dtype : {GEMS_F32, GEMS_BF16, GEMS_F16, GEMS_F64, GEMS_I64, GEMS_I32, GEMS_U8, GEMS_BOOL})
    for (const Layout& l : kLayouts)
      for (const char* op : {"cumsum", "cumprod"})
        for (bool in_place : {false, true}) {
          const bool sum = op[3] == 's', f = dtype_is_float(dtype);
          if (in_place && !f && dtype != GEMS_I64) continue;
          SCOPED_TRACE(name(op, l, dtype) + (in_place ? " in place" : ""));
          Tensor x(dtype, l.sizes, l.order, l.gap), fresh(f ? dtype : int{GEMS_I64}, l.sizes);
          if (sum) x.fill(f ? -1 : 0, dtype == GEMS_BOOL ? 2 : f ? 2 : 100);
          else x.fill(f ? .98 : 1, f ? 1.02 : 2);  // products that stay finite
          const auto in = x.values();
          Tensor& out = in_place ? x : fresh;
          ASSERT_EQ(scan(op, l, compute_for(dtype), out, x), GEMS_OK);
          bool good = true;
          each_row(l, [&](auto at, int64_t n) {
            Real run = sum ? 0 : 1, size = 0;
            for (int64_t k = 0; k < n && good; k++) {
              run = sum ? run + in[at(k)] : run * in[at(k)];
              size = sum ? size + std::fabs(in[at(k)]) : std::fabs(run) * static_cast<Real>(k + 1);
              const double tolerance =
                  !f ? 0 : rounding(dtype, run) + (4 + std::sqrt(k)) * static_cast<double>(size) * 0x1p-53;  // carried in double
              if (dtype == GEMS_F16 && std::fabs(run) > 60000) break;
              good = bool(close(out.at(at(k)), run, tolerance));
              ASSERT_TRUE(close(out.at(at(k)), run, tolerance)) << "at " << k << " of " << n;
            }
          });
          if (!good) return;
          EXPECT_TRUE(out.gaps_untouched());
        }
}

TEST_P(Family, IntegersWrapAndNothingIsFine) {
  const Layout l{{200}, 0};
  Tensor x(GEMS_I64, l.sizes), out(GEMS_I64, l.sizes);
  x.fill(3, 3);
  ASSERT_EQ(scan("cumprod", l, GEMS_I64, out, x), GEMS_OK);
  uint64_t want = 1;
  for (int i = 0; i < 200; i++) {
    want *= 3;
    EXPECT_EQ(out.at(i), static_cast<double>(static_cast<int64_t>(want)));
  }
  const Layout none{{0, 4}, 1}, no_row{{4, 0}, 1};
  Tensor a(GEMS_F32, none.sizes), b(GEMS_F32, no_row.sizes);
  EXPECT_EQ(scan("cumsum", none, GEMS_F32, a, a), GEMS_OK);
  EXPECT_EQ(scan("cumsum", no_row, GEMS_F32, b, b), GEMS_OK);
}

TEST_P(Family, SpecialValuesStayInTheirRow) {
  const Layout l{{3, 50}, 1};
  Tensor x(GEMS_F32, l.sizes), out(GEMS_F32, l.sizes);
  x.fill(1, 1);
  x.set(60, kInf);
  x.set(70, -kInf);
  ASSERT_EQ(scan("cumsum", l, GEMS_F32, out, x), GEMS_OK);
  EXPECT_EQ(out.at(49), 50);
  EXPECT_EQ(out.at(59), 10);
  EXPECT_EQ(out.at(65), kInf);
  EXPECT_TRUE(std::isnan(out.at(75)));
  EXPECT_EQ(out.at(149), 50);
}

TEST_P(Family, SameForAnyNumberOfThreads) {
  const Layout l{{1000003}, 0};
  Tensor x(GEMS_F32, l.sizes), a(GEMS_F32, l.sizes), b(GEMS_F32, l.sizes);
  x.fill(-1, 1);
  g_threads = 1;
  ASSERT_EQ(scan("cumsum", l, GEMS_F32, a, x), GEMS_OK);
  g_threads = 5;
  ASSERT_EQ(scan("cumsum", l, GEMS_F32, b, x), GEMS_OK);
  EXPECT_EQ(a.values(), b.values());
}

GEMS_EVERY_INSTRUCTION_SET;

}  // namespace
}  // namespace gems::test
