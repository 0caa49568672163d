// The reduce family of the CPU backend against a float64 reference.
#include "tests/cpp/family_test.h"

namespace gems::test {
namespace {

struct Case {
  std::vector<int64_t> sizes;
  std::vector<int> reduced, order;
  int64_t gap = 1;
  int expanded = -1;
};

// Shapes that reach every way through the driver: rows, columns, both groups strided, one result from much, tiny and odd lengths.
const std::vector<Case> kCases = {
    {{64, 300}, {1}, {}},
    {{300, 64}, {0}, {}},
    {{33, 17}, {0, 1}, {}},
    {{5}, {0}, {}},
    {{1}, {0}, {}},
    {{140001}, {0}, {}},
    {{2, 140001}, {1}, {}},
    {{70001, 3}, {0}, {}},
    {{70, 2100}, {0}, {}},
    {{6, 7, 8, 9}, {1, 3}, {}},
    {{6, 7, 8, 9}, {0, 2}, {}},
    {{40, 50, 60}, {1}, {}},
    {{40, 50, 60}, {2}, {2, 1, 0}},
    {{40, 50}, {1}, {}, 3},
    {{40, 50}, {0}, {}, 2},
    {{50, 300, 3}, {0, 2}, {0, 2, 1}},
    {{1000, 3}, {1}, {}},
    {{9, 1}, {1}, {}},
    {{1, 9}, {0}, {}},
    {{7, 65}, {1}, {}, 1, 0},
    {{7, 65}, {1}, {}, 1, 1},
    {{65, 7}, {0}, {}, 1, 0},
    {{4, 2000, 31}, {1}, {}},
    {{130, 129}, {0, 1}, {1, 0}},
};

Reduction reduction(const Case& c) {
  Reduction r;
  for (int d : c.reduced) r.dims |= uint64_t{1} << d;
  return r;
}
std::vector<int64_t> kept_sizes(const Case& c) {
  std::vector<int64_t> s;
  for (int d = 0; d < static_cast<int>(c.sizes.size()); d++)
    if (std::find(c.reduced.begin(), c.reduced.end(), d) == c.reduced.end()) s.push_back(c.sizes[d]);
  return s;
}
// For every result the reduced elements in row-major order.
std::vector<std::vector<double>> groups(const Tensor& x, const Case& c) {
  const int nd = static_cast<int>(c.sizes.size());
  std::vector<int64_t> scale(nd, 0), at(nd, 0);
  int64_t results = 1;
  for (int d = nd - 1; d >= 0; d--) {
    if (std::find(c.reduced.begin(), c.reduced.end(), d) != c.reduced.end()) continue;
    scale[d] = results;
    results *= c.sizes[d];
  }
  std::vector<std::vector<double>> g(static_cast<size_t>(results));
  int64_t to = 0;
  for (int64_t i = 0, n = x.numel(); i < n; i++) {
    g[to].push_back(x.at(i));
    for (int d = nd - 1; d >= 0; d--) {
      to += scale[d];
      if (++at[d] < c.sizes[d]) break;
      to -= at[d] * scale[d];
      at[d] = 0;
    }
  }
  return g;
}
std::string name(const char* op, const Case& c, int dtype) {
  std::string s = std::string(op) + " " + dtype_name(dtype) + " [";
  for (int64_t n : c.sizes) s += std::to_string(n) + " ";
  s += "] over ";
  for (int d : c.reduced) s += std::to_string(d) + " ";
  return s + "gap " + std::to_string(c.gap) + " expanded " + std::to_string(c.expanded);
}
Tensor input(const Case& c, int dtype, double lo, double hi) {
  Tensor x(dtype, c.sizes, c.order, c.gap);
  x.fill(lo, hi, c.sizes.size() + c.sizes[0]);
  if (c.expanded >= 0) x.expand(c.expanded);
  return x;
}

gems_status reduce(const char* op, const Case& c, int compute, std::vector<gems_tensor> outs, std::vector<gems_tensor> ins,
                   bool keep_order = false) {
  gems_call call = make_call(op, outs, ins, compute);
  EXPECT_EQ(build_reduce(call, reduction(c), keep_order), Plan::ok);
  return cpu()->run(&call);
}

double lower_bound_of(int dtype) { return dtype == GEMS_U8 || dtype == GEMS_BOOL ? 0 : dtype_is_float(dtype) ? -3 : -100; }
double upper_bound_of(int dtype) { return dtype == GEMS_BOOL ? 2 : dtype_is_float(dtype) ? 4 : 100; }

// Every case for every dtype, the long ones for a few.
bool too_long(const Case& c, int dtype) {
  return std::accumulate(c.sizes.begin(), c.sizes.end(), int64_t{1}, std::multiplies<>()) > 40000 && dtype != GEMS_F32 &&
         dtype != GEMS_BF16 && dtype != GEMS_BOOL;
}

constexpr int kDtypes[] = {GEMS_F32, GEMS_BF16, GEMS_F16, GEMS_F64, GEMS_U8, GEMS_I8, GEMS_I16, GEMS_I32, GEMS_I64, GEMS_BOOL};

TEST_P(Family, SumAndMean) {
  for (int dtype : kDtypes)
    for (const Case& c : kCases)
      for (const char* op : {"sum", "mean"}) {
        const bool mean = op[0] == 'm';
        if ((mean && !dtype_is_float(dtype)) || too_long(c, dtype)) continue;
        SCOPED_TRACE(name(op, c, dtype));
        Tensor x = input(c, dtype, lower_bound_of(dtype), upper_bound_of(dtype));
        Tensor out(dtype_is_float(dtype) ? dtype : int{GEMS_I64}, kept_sizes(c), {}, 2);
        ASSERT_EQ(reduce(op, c, compute_for(dtype), {out.ref()}, {x.ref()}), GEMS_OK);
        const auto g = groups(x, c);
        for (size_t i = 0; i < g.size(); i++) {
          Real want = 0, size = 0;
          for (double v : g[i]) want += v, size += std::fabs(v);
          if (mean) want /= static_cast<Real>(g[i].size()), size /= static_cast<Real>(g[i].size());
          // some 40 roundings at most on a path through the tree, which rarely agree; and one to the result's dtype
          const double tolerance =
              dtype_is_float(dtype) ? rounding(dtype, want) + 10 * epsilon(compute_for(dtype)) * static_cast<double>(size) : 0;
          ASSERT_TRUE(close(out.at(i), want, tolerance)) << "at " << i;
        }
        EXPECT_TRUE(out.gaps_untouched());
      }
}

// A float32 sum of 16 million values keeps six digits: not a running sum.
TEST_P(Family, SumIsAccurate) {
  for (const Case& c : {Case{{1 << 24}, {0}, {}}, Case{{1 << 20, 16}, {0}, {}}}) {
    Tensor x(GEMS_F32, c.sizes);
    x.fill(0, 1);
    Tensor out(GEMS_F32, kept_sizes(c));
    ASSERT_EQ(reduce("sum", c, GEMS_F32, {out.ref()}, {x.ref()}), GEMS_OK);
    std::vector<double> want(static_cast<size_t>(out.numel()));
    for (int64_t i = 0, n = x.numel(); i < n; i++) want[static_cast<size_t>(i % out.numel())] += x.at(i);
    for (size_t i = 0; i < want.size(); i++) EXPECT_TRUE(close(out.at(i), want[i], 4e-7 * want[i]));
  }
}

TEST_P(Family, SameForAnyNumberOfThreads) {
  for (int dtype : {GEMS_F32, GEMS_BF16})
    for (const Case& c : {Case{{3000000}, {0}, {}}, Case{{4, 700001}, {1}, {}}, Case{{100000, 37}, {0}, {}}}) {
      Tensor x(dtype, c.sizes);
      x.fill(-1, 1);
      Tensor a(GEMS_F32, kept_sizes(c)), b(GEMS_F32, kept_sizes(c));
      g_threads = 1;
      ASSERT_EQ(reduce("sum", c, GEMS_F32, {a.ref()}, {x.ref()}), GEMS_OK);
      g_threads = 5;
      ASSERT_EQ(reduce("sum", c, GEMS_F32, {b.ref()}, {x.ref()}), GEMS_OK);
      EXPECT_EQ(a.values(), b.values());
    }
}

TEST_P(Family, Extremes) {
  for (int dtype : kDtypes)
    for (const Case& c : kCases)
      for (const char* op : {"amax", "amin", "max", "min"}) {
        if (too_long(c, dtype)) continue;
        SCOPED_TRACE(name(op, c, dtype));
        Tensor x = input(c, dtype, lower_bound_of(dtype), upper_bound_of(dtype));
        const int64_t n = x.numel();
        if (dtype_is_float(dtype)) {
          x.set(n / 2, kNan);
          x.set(n / 3, kInf);
          x.set(n / 5, -kInf);
        }
        Tensor out(dtype, kept_sizes(c));
        ASSERT_EQ(reduce(op, c, compute_for(dtype), {out.ref()}, {x.ref()}), GEMS_OK);
        const auto g = groups(x, c);
        const bool least = op[std::strlen(op) - 1] == 'n';
        for (size_t i = 0; i < g.size(); i++) {
          double want = g[i][0];
          for (double v : g[i])
            if (!std::isnan(want) && (std::isnan(v) || (least ? v < want : v > want))) want = v;
          ASSERT_TRUE(close(out.at(i), want, 0)) << "at " << i;
        }
      }
}

TEST_P(Family, Positions) {
  for (int dtype : kDtypes)
    for (const Case& c : kCases)
      for (const char* op : {"argmax", "argmin", "max_dim", "min_dim"}) {
        if (too_long(c, dtype)) continue;
        SCOPED_TRACE(name(op, c, dtype));
        const bool least = std::strstr(op, "min"), pair = std::strstr(op, "dim");
        // few distinct values: ties are the rule
        Tensor x = input(c, dtype, dtype_is_float(dtype) ? -3 : lower_bound_of(dtype), upper_bound_of(dtype));
        for (int64_t i = 0, n = x.numel(); i < n && c.expanded < 0 && c.sizes.size() != 1; i++) x.set(i, std::floor(x.at(i)));
        if (dtype_is_float(dtype) && x.numel() % 2) {
          x.set(x.numel() / 2, kNan);
          x.set(x.numel() / 2 + x.numel() / 3, kNan);
        }
        Tensor value(dtype, kept_sizes(c), {}, 2), index(GEMS_I64, kept_sizes(c));
        std::vector<gems_tensor> outs =
            pair ? std::vector<gems_tensor>{value.ref(), index.ref()} : std::vector<gems_tensor>{index.ref()};
        ASSERT_EQ(reduce(op, c, compute_for(dtype), outs, {x.ref()}, true), GEMS_OK);
        const auto g = groups(x, c);
        for (size_t i = 0; i < g.size(); i++) {
          size_t at = 0;
          for (size_t j = 1; j < g[i].size(); j++)
            if (!std::isnan(g[i][at]) && (std::isnan(g[i][j]) || (least ? g[i][j] < g[i][at] : g[i][j] > g[i][at]))) at = j;
          ASSERT_EQ(index.at(i), static_cast<double>(at)) << "at " << i;
          if (pair) { ASSERT_TRUE(close(value.at(i), g[i][at], 0)); }
        }
      }
}

TEST_P(Family, AnyAll) {
  for (int dtype : kDtypes)
    for (const Case& c : kCases)
      for (const char* op : {"any", "all"})
        for (int kind = 0; kind < 4; kind++) {
          if (too_long(c, dtype)) continue;
          SCOPED_TRACE(name(op, c, dtype) + " kind " + std::to_string(kind));
          Tensor x(dtype, c.sizes, c.order, c.gap);
          x.fill(0, 0);
          const int64_t n = x.numel();
          const bool any = op[1] == 'n';
          for (int64_t i = 0; i < n && kind; i++) x.set(i, any ? 0 : 1);
          if (kind == 1) x.set(n - 1, any ? 1 : 0);
          if (kind == 2) x.set(n / 2, !any ? 0 : dtype_is_float(dtype) ? kNan : 1);
          if (kind == 3 && dtype_is_float(dtype)) x.set(n / 3, -0.0);
          if (c.expanded >= 0) x.expand(c.expanded);
          Tensor out(dtype == GEMS_U8 ? int{GEMS_U8} : int{GEMS_BOOL}, kept_sizes(c));
          ASSERT_EQ(reduce(op, c, compute_for(dtype), {out.ref()}, {x.ref()}), GEMS_OK);
          const auto g = groups(x, c);
          for (size_t i = 0; i < g.size(); i++) {
            const auto truth = [](double v) { return v != 0; };
            const bool want = any ? std::any_of(g[i].begin(), g[i].end(), truth) : std::all_of(g[i].begin(), g[i].end(), truth);
            ASSERT_EQ(out.at(i), want ? 1 : 0) << "at " << i;
          }
        }
}

TEST_P(Family, ProductsWrapAndEmptyReductionsAreIdentities) {
  const Case empty_rows{{5, 0}, {1}, {}}, nothing_kept{{0, 5}, {1}, {}}, zero_d{{}, {}, {}};
  for (int dtype : {GEMS_F32, GEMS_BF16, GEMS_I64, GEMS_BOOL}) {
    Tensor x(dtype, {5, 0}), none(dtype, {0, 5}), sum(dtype_is_float(dtype) ? dtype : int{GEMS_I64}, {5}),
        nobody(sum.dtype(), {0});
    const int compute = compute_for(dtype);
    ASSERT_EQ(reduce("sum", empty_rows, compute, {sum.ref()}, {x.ref()}), GEMS_OK);
    EXPECT_EQ(sum.values(), std::vector<double>(5, 0.0));
    ASSERT_EQ(reduce("prod", empty_rows, compute, {sum.ref()}, {x.ref()}), GEMS_OK);
    EXPECT_EQ(sum.values(), std::vector<double>(5, 1.0));
    if (dtype_is_float(dtype)) {
      ASSERT_EQ(reduce("mean", empty_rows, compute, {sum.ref()}, {x.ref()}), GEMS_OK);
      EXPECT_TRUE(std::isnan(sum.at(3)));
    }
    EXPECT_EQ(reduce("sum", nothing_kept, compute, {nobody.ref()}, {none.ref()}), GEMS_OK);
    EXPECT_EQ(reduce("argmax", empty_rows, compute, {sum.ref()}, {x.ref()}, true), GEMS_FAILED);
    Tensor truth(GEMS_BOOL, {5});
    ASSERT_EQ(reduce("all", empty_rows, compute, {truth.ref()}, {x.ref()}), GEMS_OK);
    EXPECT_EQ(truth.values(), std::vector<double>(5, 1.0));
    ASSERT_EQ(reduce("any", empty_rows, compute, {truth.ref()}, {x.ref()}), GEMS_OK);
    EXPECT_EQ(truth.values(), std::vector<double>(5, 0.0));
  }
  Tensor scalar(GEMS_F32, {}), one(GEMS_F32, {});
  scalar.set(0, 2.5);
  ASSERT_EQ(reduce("sum", zero_d, GEMS_F32, {one.ref()}, {scalar.ref()}), GEMS_OK);
  EXPECT_EQ(one.at(0), 2.5);
  Tensor threes(GEMS_I32, {64}), product(GEMS_I64, {});
  threes.fill(3, 3);
  ASSERT_EQ(reduce("prod", Case{{64}, {0}, {}}, GEMS_I64, {product.ref()}, {threes.ref()}), GEMS_OK);
  uint64_t want = 1;
  for (int i = 0; i < 64; i++) want *= 3;
  EXPECT_EQ(product.at(0), static_cast<double>(static_cast<int64_t>(want)));
}

TEST_P(Family, GradientsOfNormWeights) {
  for (int dtype : {GEMS_F32, GEMS_BF16, GEMS_F64})
    for (int64_t m : {1, 3, 64, 700})
      for (int64_t n : {1, 5, 64, 1300}) {
        const int stat_dtype = dtype == GEMS_F64 ? GEMS_F64 : GEMS_F32;
        Tensor grad(dtype, {m, n}), x(dtype, {m, n}), mean(stat_dtype, {m, 1}), rstd(stat_dtype, {m, 1}), gw(dtype, {n}),
            gb(dtype, {n}), gr(dtype, {n});
        grad.fill(-1, 1, 3);
        x.fill(-2, 2, 4);
        mean.fill(-.1, .1, 5);
        rstd.fill(.5, 1.5, 6);
        const Case c{{m, n}, {0}, {}};
        const int compute = compute_for(dtype);
        ASSERT_EQ(
            reduce("layer_norm_param_grad", c, compute, {gw.ref(), gb.ref()}, {grad.ref(), x.ref(), mean.ref(), rstd.ref()}),
            GEMS_OK);
        Tensor only(dtype, {n});
        ASSERT_EQ(
            reduce("layer_norm_param_grad", c, compute, {absent(&gw), only.ref()}, {grad.ref(), x.ref(), mean.ref(), rstd.ref()}),
            GEMS_OK);
        EXPECT_EQ(only.values(), gb.values());
        ASSERT_EQ(reduce("rms_norm_param_grad", c, compute, {gr.ref()}, {grad.ref(), x.ref(), rstd.ref()}), GEMS_OK);
        for (int64_t j = 0; j < n; j++) {
          Real w = 0, b = 0, r = 0, size = 0;
          for (int64_t i = 0; i < m; i++) {
            const Real g = grad.at(i * n + j), v = x.at(i * n + j);
            w += g * (v - mean.at(i)) * rstd.at(i);
            r += g * v * rstd.at(i);
            b += g;
            size += 4 * std::fabs(g);
          }
          const double slack = 20 * epsilon(compute) * static_cast<double>(size);
          ASSERT_TRUE(close(gw.at(j), w, rounding(dtype, w) + slack)) << m << "x" << n << " at " << j;
          ASSERT_TRUE(close(gr.at(j), r, rounding(dtype, r) + slack));
          ASSERT_TRUE(close(gb.at(j), b, rounding(dtype, b) + slack));
        }
      }
}

// In passes: mean and variance, the mean alone not wanted; both extremes.
TEST_P(Family, MomentsAndBothExtremes) {
  for (int dtype : {GEMS_F32, GEMS_BF16, GEMS_F16, GEMS_F64})
    for (const Case& c : kCases) {
      if (too_long(c, dtype)) continue;
      SCOPED_TRACE(name("var_mean", c, dtype));
      Tensor x = input(c, dtype, 90, 100);
      Tensor var(GEMS_F64, kept_sizes(c), {}, 2), mean(GEMS_F64, kept_sizes(c)), only(GEMS_F64, kept_sizes(c)),
          least(dtype, kept_sizes(c)), most(dtype, kept_sizes(c));
      auto moments = [&](gems_tensor second, Tensor& first) {
        gems_call call = make_call("var_mean", {first.ref(), second}, {x.ref()}, compute_for(dtype));
        call.npar = 1;
        call.par[0].d = 0;
        EXPECT_EQ(build_reduce(call, reduction(c), false), Plan::ok);
        return cpu()->run(&call);
      };
      ASSERT_EQ(moments(mean.ref(), var), GEMS_OK);
      gems_tensor unwanted{};
      unwanted.flags = GEMS_T_ABSENT;
      ASSERT_EQ(moments(unwanted, only), GEMS_OK);
      EXPECT_EQ(only.values(), var.values());
      ASSERT_EQ(reduce("aminmax", c, compute_for(dtype), {least.ref(), most.ref()}, {x.ref()}), GEMS_OK);
      const auto g = groups(x, c);
      for (size_t i = 0; i < g.size(); i++) {
        Real m = 0, v = 0;
        for (double e : g[i]) m += e;
        m /= static_cast<Real>(g[i].size());
        for (double e : g[i]) v += (e - m) * (e - m);
        v /= static_cast<Real>(g[i].size());
        const double slack = dtype == GEMS_F64 ? 1e-13 : 1e-6;
        ASSERT_NEAR(mean.at(i), static_cast<double>(m), slack * 100) << "at " << i;
        ASSERT_NEAR(var.at(i), static_cast<double>(v), slack * static_cast<double>(v) + slack * 1e-3) << "at " << i;
        ASSERT_EQ(least.at(i), *std::min_element(g[i].begin(), g[i].end())) << "at " << i;
        ASSERT_EQ(most.at(i), *std::max_element(g[i].begin(), g[i].end())) << "at " << i;
      }
      EXPECT_TRUE(var.gaps_untouched());
    }
}

GEMS_EVERY_INSTRUCTION_SET;

}  // namespace
}  // namespace gems::test
