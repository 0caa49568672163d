// The row family of the CPU backend against a float64 reference.
#include "tests/cpp/family_test.h"

namespace gems::test {
namespace {

struct Layout {
  std::vector<int64_t> sizes;
  int dim, ndims = 1;  // the row
  std::vector<int> order;
  int64_t gap = 1;
};

// Decode-sized, odd, long and many rows; the row across a dense dimension, between two others, with a gap.
const std::vector<Layout> kLayouts = {
    {{1, 576}, 1},
    {{9, 1, 200}, 2},
    {{64, 4096}, 1},
    {{5, 1}, 1},
    {{1, 1}, 1},
    {{300, 7}, 1},
    {{3, 33}, 1},
    {{33, 100}, 0},
    {{7, 50, 40}, 1},
    {{2, 70000}, 1},
    {{20, 31}, 1, 1, {}, 2},
    {{12, 500}, 1, 1, {1, 0}},
    {{4, 6, 5, 10}, 2, 2},
    {{6, 40, 30}, 2, 1, {1, 0, 2}},
    {{200}, 0},
    {{17, 16385}, 0, 1, {1, 0}},
};
constexpr int kDtypes[] = {GEMS_F32, GEMS_BF16, GEMS_F16, GEMS_F64};

std::string name(const char* op, const Layout& l, int dtype) {
  std::string s = std::string(op) + " " + dtype_name(dtype) + " [";
  for (int64_t n : l.sizes) s += std::to_string(n) + " ";
  return s + "] dim " + std::to_string(l.dim) + " gap " + std::to_string(l.gap);
}
std::vector<int64_t> row_sizes(const Layout& l) { return {l.sizes.begin() + l.dim, l.sizes.begin() + l.dim + l.ndims}; }
std::vector<int64_t> stat_sizes(const Layout& l) {
  std::vector<int64_t> s = l.sizes;
  std::fill(s.begin() + l.dim, s.begin() + l.dim + l.ndims, 1);
  return s;
}

// Row-major element numbers of every row, and the number of the row's statistic.
struct Rows {
  std::vector<std::vector<int64_t>> element;
  explicit Rows(const Layout& l) {
    int64_t inner = 1, n = 1, outer = 1;
    for (int d = 0; d < static_cast<int>(l.sizes.size()); d++)
      (d < l.dim ? outer : d < l.dim + l.ndims ? n : inner) *= l.sizes[d];
    for (int64_t o = 0; o < outer; o++)
      for (int64_t i = 0; i < inner; i++) {
        std::vector<int64_t> row;
        for (int64_t k = 0; k < n; k++) row.push_back((o * n + k) * inner + i);
        element.push_back(row);
      }
  }
};

gems_status row(const char* op, const Layout& l, int dtype, std::vector<gems_tensor> outs, std::vector<gems_tensor> ins,
                double par = 0) {
  gems_call call = make_call(op, outs, ins, compute_for(dtype));
  call.candidate = 2;  // ours also where torch is faster
  call.npar = 1;
  call.par[0].d = par;
  EXPECT_EQ(build_row(call, l.dim, l.ndims), Plan::ok) << plan_reason();
  return cpu()->run(&call);
}

// Rounding to the dtype, and `ulps` of the computation in units of `scale`.
double tolerance(int dtype, double want, double ulps, double scale = 1) {
  return rounding(dtype, want) + ulps * epsilon(compute_for(dtype)) * std::max(scale, std::fabs(want));
}

Tensor like(const Layout& l, int dtype, double lo, double hi, uint64_t seed) {
  Tensor t(dtype, l.sizes, l.order, l.gap);
  t.fill(lo, hi, seed);
  return t;
}

TEST_P(Family, Softmax) {
  for (int dtype : kDtypes)
    for (const Layout& l : kLayouts) {
      if (l.ndims != 1) continue;
      for (const char* op : {"softmax", "log_softmax"}) {
        SCOPED_TRACE(name(op, l, dtype));
        const bool logs = op[0] == 'l';
        Tensor x = like(l, dtype, -20, 20, 1), out(dtype, l.sizes);
        ASSERT_EQ(row(op, l, dtype, {out.ref()}, {x.ref()}), GEMS_OK);
        for (const auto& r : Rows(l).element) {
          Real m = -kInf, s = 0;
          for (int64_t i : r) m = std::max<Real>(m, x.at(i));
          for (int64_t i : r) s += std::exp(x.at(i) - m);
          for (int64_t i : r) {
            const Real want = logs ? x.at(i) - m - std::log(s) : std::exp(x.at(i) - m) / s;
            ASSERT_TRUE(
                close(out.at(i), want,
                      logs ? tolerance(dtype, want, 8, std::fabs(x.at(i)) + std::fabs(m)) : tolerance(dtype, want, 80, want)));
          }
        }
        // backward, from the output that was stored
        Tensor grad = like(l, dtype, -1, 1, 7), gx(dtype, l.sizes, l.order, l.gap);
        const char* back = logs ? "log_softmax_backward" : "softmax_backward";
        ASSERT_EQ(row(back, l, dtype, {gx.ref()}, {grad.ref(), out.ref()}), GEMS_OK);
        for (const auto& r : Rows(l).element) {
          Real s = 0, size = 0;
          for (int64_t i : r)
            s += logs ? grad.at(i) : grad.at(i) * out.at(i),
                size += logs ? std::fabs(grad.at(i)) : std::fabs(grad.at(i) * out.at(i));
          for (int64_t i : r) {
            const Real y = out.at(i), g = grad.at(i), want = logs ? g - std::exp(y) * s : (g - s) * y;
            ASSERT_TRUE(close(
                gx.at(i), want,
                tolerance(dtype, want, 40, 1e-30 + (logs ? std::fabs(g) + std::exp(y) * size : y * (std::fabs(g) + size)))));
          }
        }
        EXPECT_TRUE(gx.gaps_untouched());
      }
    }
}

TEST_P(Family, SoftmaxSpecialValues) {
  const Layout l{{5, 40}, 1};
  for (int dtype : {GEMS_F32, GEMS_BF16}) {
    Tensor x(dtype, l.sizes), out(dtype, l.sizes);
    x.fill(-1, 1);
    for (int i = 0; i < 40; i++) x.set(40 + i, -kInf);  // a masked row: NaN, as in torch
    x.set(3, kNan);                                     // NaN anywhere: the whole row
    x.set(85, kInf);                                    // inf - inf
    for (int i = 0; i < 39; i++) x.set(120 + i, -kInf);
    ASSERT_EQ(row("softmax", l, dtype, {out.ref()}, {x.ref()}), GEMS_OK);
    for (int i = 0; i < 120; i++) EXPECT_TRUE(std::isnan(out.at(i))) << i;
    for (int i = 120; i < 160; i++) EXPECT_EQ(out.at(i), i == 159);
    ASSERT_EQ(row("log_softmax", l, dtype, {out.ref()}, {x.ref()}), GEMS_OK);
    EXPECT_EQ(out.at(120), -kInf);
    EXPECT_EQ(out.at(159), 0);
    EXPECT_TRUE(std::isnan(out.at(41)));
  }
}

TEST_P(Family, Norms) {
  for (int dtype : kDtypes)
    for (const Layout& l : kLayouts)
      for (int given = 0; given < 4; given++) {  // weight, bias
        if (given && l.sizes.back() > 10000) continue;
        SCOPED_TRACE(name("norm", l, dtype) + " given " + std::to_string(given));
        const int stat_dtype = dtype == GEMS_F64 ? GEMS_F64 : given == 3 ? dtype : int{GEMS_F32};
        Tensor x = like(l, dtype, -1, 3, 2), out(dtype, l.sizes), mean(stat_dtype, stat_sizes(l)),
               rstd(stat_dtype, stat_sizes(l));
        Tensor w(given == 1 ? int{GEMS_F32} : dtype, row_sizes(l)), b(dtype, row_sizes(l));
        w.fill(.5, 2, 3);
        b.fill(-1, 1, 4);
        const gems_tensor wr = given & 1 ? w.ref() : absent(), br = given & 2 ? b.ref() : absent();
        ASSERT_EQ(row("layer_norm", l, dtype, {out.ref(), mean.ref(), rstd.ref()}, {x.ref(), wr, br}, 1e-5), GEMS_OK);
        const auto rows = Rows(l).element;
        auto weight = [&](size_t k) { return given & 1 ? w.at(k) : 1.0; };
        auto bias = [&](size_t k) { return given & 2 ? b.at(k) : 0.0; };
        std::vector<Real> m(rows.size()), s(rows.size()), q(rows.size());
        for (size_t r = 0; r < rows.size(); r++) {
          for (int64_t i : rows[r])
            m[r] += x.at(i) / rows[r].size(), q[r] += static_cast<Real>(x.at(i)) * x.at(i) / rows[r].size();
          for (int64_t i : rows[r]) s[r] += (x.at(i) - m[r]) * (x.at(i) - m[r]) / rows[r].size();
          s[r] = 1 / std::sqrt(s[r] + 1e-5);
          q[r] = 1 / std::sqrt(q[r] + 1e-5);
          ASSERT_TRUE(close(mean.at(r), m[r], tolerance(stat_dtype, m[r], 8, 3)));
          ASSERT_TRUE(close(rstd.at(r), s[r], tolerance(stat_dtype, s[r], 8)));
          for (size_t k = 0; k < rows[r].size(); k++) {
            const Real want = (x.at(rows[r][k]) - m[r]) * s[r] * weight(k) + bias(k);
            ASSERT_TRUE(close(out.at(rows[r][k]), want, tolerance(dtype, want, 8, 5 * s[r] * weight(k) + 1)));
          }
        }
        Tensor grad = like(l, dtype, -1, 1, 5), gx(dtype, l.sizes);
        ASSERT_EQ(row("layer_norm_backward", l, dtype, {gx.ref()}, {grad.ref(), x.ref(), mean.ref(), rstd.ref(), wr}), GEMS_OK);
        for (size_t r = 0; r < rows.size(); r++) {
          Real a = 0, c = 0;
          const Real n = static_cast<Real>(rows[r].size()), mu = mean.at(r), rs = rstd.at(r);
          for (size_t k = 0; k < rows[r].size(); k++) {
            const Real g = static_cast<Real>(grad.at(rows[r][k])) * weight(k);
            a += g / n;
            c += g * (x.at(rows[r][k]) - mu) * rs / n;
          }
          for (size_t k = 0; k < rows[r].size(); k++) {
            const Real h = (x.at(rows[r][k]) - mu) * rs, want = rs * (grad.at(rows[r][k]) * weight(k) - a - h * c);
            ASSERT_TRUE(close(gx.at(rows[r][k]), want, tolerance(dtype, want, 16, 10 * rs * (1 + std::fabs(h)))));
          }
        }
        // rms_norm leaves its statistic out every other time
        gems_tensor stat = given & 1 ? rstd.ref() : absent(&rstd);
        ASSERT_EQ(row("rms_norm", l, dtype, {out.ref(), stat}, {x.ref(), wr}, 1e-5), GEMS_OK);
        for (size_t r = 0; r < rows.size(); r++) {
          if (given & 1) { ASSERT_TRUE(close(rstd.at(r), q[r], tolerance(stat_dtype, q[r], 8))); }
          for (size_t k = 0; k < rows[r].size(); k++) {
            const Real want = x.at(rows[r][k]) * q[r] * weight(k);
            ASSERT_TRUE(close(out.at(rows[r][k]), want, tolerance(dtype, want, 8)));
          }
        }
      }
}

// In place, with the sum rounded to the residual's dtype before it is normalised; also where rows aren't dense.
TEST_P(Family, FusedAddRmsNormInPlace) {
  for (int dtype : kDtypes)
    for (const Layout& l : {Layout{{1, 576}, 1}, Layout{{40, 100}, 1}, Layout{{7, 5, 1025}, 2}, Layout{{9, 130}, 1, 1, {}, 2},
                            Layout{{30, 40}, 1, 1, {1, 0}}}) {
      SCOPED_TRACE(name("fused_add_rms_norm", l, dtype));
      Tensor x = like(l, dtype, -2, 2, 1), residual = like(l, dtype, -2, 2, 2), w(dtype, row_sizes(l));
      w.fill(.5, 1.5, 3);
      const auto x0 = x.values(), r0 = residual.values();
      ASSERT_EQ(row("fused_add_rms_norm", l, dtype, {x.ref(), residual.ref()}, {x.ref(), residual.ref(), w.ref()}, 1e-6),
                GEMS_OK);
      for (const auto& r : Rows(l).element) {
        Real q = 0;
        for (int64_t i : r) {
          const double sum = round_to(dtype, dtype == GEMS_F64 ? x0[i] + r0[i] : static_cast<float>(x0[i] + r0[i]));
          ASSERT_EQ(residual.at(i), sum);
          q += static_cast<Real>(sum) * sum / static_cast<Real>(r.size());
        }
        q = 1 / std::sqrt(q + 1e-6);
        for (size_t k = 0; k < r.size(); k++) {
          const Real want = residual.at(r[k]) * q * w.at(k);
          ASSERT_TRUE(close(x.at(r[k]), want, tolerance(dtype, want, 8)));
        }
      }
      EXPECT_TRUE(x.gaps_untouched());
      EXPECT_TRUE(residual.gaps_untouched());
    }
}

// The residual in another dtype than the hidden state: what follows sees the rounded sum.
TEST_P(Family, UpdateThroughAnotherDtype) {
  const Layout l{{6, 700}, 1};
  Tensor x = like(l, GEMS_F32, -2, 2, 1), residual = like(l, GEMS_BF16, -2, 2, 2), w(GEMS_F32, {700});
  w.fill(.5, 1.5, 3);
  const auto x0 = x.values(), r0 = residual.values();
  ASSERT_EQ(row("fused_add_rms_norm", l, GEMS_F32, {x.ref(), residual.ref()}, {x.ref(), residual.ref(), w.ref()}, 1e-6), GEMS_OK);
  for (const auto& r : Rows(l).element) {
    Real q = 0;
    for (int64_t i : r) {
      ASSERT_EQ(residual.at(i), round_to(GEMS_BF16, static_cast<float>(x0[i] + r0[i])));
      q += residual.at(i) * residual.at(i) / 700;
    }
    q = 1 / std::sqrt(q + 1e-6);
    for (size_t k = 0; k < r.size(); k++) ASSERT_TRUE(close(x.at(r[k]), residual.at(r[k]) * q * w.at(k), 1e-5));
  }
}

GEMS_EVERY_INSTRUCTION_SET;

}  // namespace
}  // namespace gems::test
