// Cases of cuda_planner_test.cpp: scatters, several indices, mapped copies and their gradients, compaction.
#pragma once

namespace gems::cuda {
namespace {

// self[a[i], b[i]] over the rows of a dense matrix: gather into `out`, or scatter of it with a combination.
gems_status at_pairs(const Tensor& out, const Tensor& self, const Tensor& a, const Tensor& b, int combine, bool wraps = true) {
  gems_call c{};
  c.op = op_find("index_put");
  c.nout = 1;
  c.nin = 3;
  c.npar = combine < 0 ? 7 : 8;
  c.compute = GEMS_I64;
  for (int k = 0; k < 2; k++) c.par[2 * k].i = self.strides[k], c.par[2 * k + 1].i = self.sizes[k];
  c.par[6].i = wraps;
  c.par[7].i = combine;
  c.t[combine < 0 ? 0 : 1] = out.view();
  c.t[combine < 0 ? 1 : 0] = self.view();
  c.t[2] = a.view();
  c.t[3] = b.view();
  const int64_t zero[1] = {0};
  const int64_t* strides[4] = {combine < 0 ? out.strides.data() : zero, combine < 0 ? zero : out.strides.data(), a.strides.data(),
                               b.strides.data()};
  if (build_index(c, 1, out.sizes.data(), strides) != Plan::ok) return GEMS_UNSUPPORTED;
  return run_index(&c);
}

TEST(CudaIndex, TwoIndicesAndCombinations) {
  for (int dtype : {GEMS_F32, GEMS_BF16, GEMS_F16, GEMS_I64, GEMS_I32, GEMS_U8, GEMS_F64})
    for (int combine = -1; combine < 5; combine++) {
      if (combine >= 0 && dtype == GEMS_F64 && combine > 1) continue;
      const int64_t n = 300;
      Tensor self = tensor(dtype, {20, 30}), a = tensor(GEMS_I64, {n}), b = tensor(GEMS_I64, {n}), out = tensor(dtype, {n});
      std::vector<double> want(600);
      for (int64_t i = 0; i < 600; i++) store(dtype, self.at(i), want[i] = 1 + g_random() % 3);
      std::vector<double> picked(n);
      for (int64_t i = 0; i < n; i++) {
        // a set leaves nothing to order: each target once
        const int64_t x = combine == 0 ? i / 30 : g_random() % 20, y = combine == 0 ? i % 30 : g_random() % 30;
        const double v = 1 + (combine == 2 ? i % 100 == 0 : g_random() % 4);
        store(GEMS_I64, a.at(i), (double)(i % 2 ? x : x - 20));
        store(GEMS_I64, b.at(i), (double)(i % 3 ? y : y - 30));
        if (combine >= 0) store(dtype, out.at(i), v);
        double& w = want[x * 30 + y];
        picked[i] = w;
        if (combine == 0) w = v;
        if (combine == 1) w += v;
        if (combine == 2) w *= v;
        if (combine == 3) w = std::min(w, v);
        if (combine == 4) w = std::max(w, v);
      }
      ASSERT_EQ(at_pairs(out, self, a, b, combine), GEMS_OK) << g_reason;
      if (combine < 0)
        for (int64_t i = 0; i < n; i++) ASSERT_EQ(load(dtype, out.at(i)), picked[i]) << dtype << " " << i;
      for (int64_t i = 0; i < 600; i++) ASSERT_EQ(load(dtype, self.at(i)), want[i]) << dtype << " " << combine << " " << i;
      store(GEMS_I64, b.at(7), 30);  // of 30
      EXPECT_EQ(at_pairs(out, self, a, b, combine), GEMS_FAILED);
      for (int64_t i = 0; i < n; i++) store(GEMS_I64, a.at(i), 1), store(GEMS_I64, b.at(i), 1);
      store(GEMS_I64, b.at(7), -1);  // the host goes on behind a trap: its offset is one within the memory
      EXPECT_EQ(at_pairs(out, self, a, b, combine, false), GEMS_FAILED);
    }
}

struct MapAxis {
  int64_t size, to, from, shift, other, inner = 0, length = 0;
};
gems_status run_axes(const char* op, const Tensor& out, const Tensor& in, int mode, bool fold, std::vector<MapAxis> axes,
                     int64_t first = 0) {
  gems_call c{};
  c.op = op_find(op);
  c.nout = c.nin = 1;
  c.npar = 2;
  c.par[0].i = mode;
  c.par[1].i = fold;
  c.compute = GEMS_F32;
  c.t[0] = out.view();
  c.t[1] = in.view();
  c.t[1].data = in.at(first);
  c.it.ndim = (int)axes.size();
  c.it.numel = 1;
  for (int d = 0; d < c.it.ndim; d++) {
    const MapAxis& a = axes[d];
    c.it.size[d] = a.size;
    c.it.numel *= a.size;
    const int64_t values[] = {a.to, a.from, a.shift, a.other, a.inner, a.length};
    for (int k = 0; k < 6; k++) c.it.stride[k][d] = values[k];
  }
  return run_map(&c);
}
int64_t source_of(int mode, int64_t c, int64_t shift, int64_t n) {
  int64_t x = c - shift;
  if (mode == 0) return (x % n + n) % n;
  if (mode == 1) return std::clamp<int64_t>(x, 0, n - 1);
  if (x < 0) x = -x;
  return x >= n ? 2 * (n - 1) - x : x;
}

TEST(CudaMap, CopiesAndTheirGradients) {
  for (int mode : {0, 1, 2})
    for (int64_t width : {8, 7}) {
      const int64_t rows = 5, shift = 3, behind = mode ? 2 : 0, tall = rows + (mode ? shift + behind : 0),
                    wide = width + (mode ? 4 : 0);
      Tensor in = tensor(GEMS_F32, {rows, width}), out = tensor(GEMS_F32, {tall, wide});
      const int64_t across = mode ? 2 : width - 3;
      ASSERT_EQ(run_axes("roll", out, in, mode, false, {{tall, wide, width, shift, rows}, {wide, 1, 1, across, width}}), GEMS_OK)
          << g_reason;
      std::vector<double> sums(rows * width);
      for (int64_t i = 0; i < tall * wide; i++) {
        const int64_t from = source_of(mode, i / wide, shift, rows) * width + source_of(mode, i % wide, across, width);
        ASSERT_EQ(load(GEMS_F32, out.at(i)), load(GEMS_F32, in.at(from))) << mode << " " << i;
        sums[from] += load(GEMS_F32, out.at(i));
      }
      if (!mode) continue;
      ASSERT_EQ(run_axes("reflection_pad2d_backward", in, out, mode, true,
                         {{rows, width, wide, shift, tall}, {width, 1, 1, across, wide}}),
                GEMS_OK);
      for (int64_t i = 0; i < rows * width; i++) ASSERT_EQ(load(GEMS_F32, in.at(i)), sums[i]) << mode << " " << i;
    }
}
TEST(CudaMap, WholeRowsAndFlips) {
  Tensor in = tensor(GEMS_BF16, {6, 16}), out = tensor(GEMS_BF16, {6, 16});
  ASSERT_EQ(run_axes("roll", out, in, 0, false, {{6, 16, 16, 2, 6}, {16, 1, 1, 0, 16}}), GEMS_OK);
  EXPECT_NE(g_last_body.find("256, 8, 2"), std::string::npos) << g_last_body;
  for (int64_t i = 0; i < 96; i++) ASSERT_EQ(load(GEMS_BF16, out.at(i)), load(GEMS_BF16, in.at((i / 16 + 4) % 6 * 16 + i % 16)));
  ASSERT_EQ(run_axes("flip", out, in, 0, false, {{6, 16, -16, 0, 6}, {16, 1, -1, 0, 16}}, 95), GEMS_OK);
  for (int64_t i = 0; i < 96; i++) ASSERT_EQ(load(GEMS_BF16, out.at(i)), load(GEMS_BF16, in.at(95 - i)));
}
TEST(CudaMap, Windows) {
  for (int64_t step : {1, 2, 5}) {
    const int64_t n = 20, length = 4, windows = (n - length) / step + 1;
    Tensor out = tensor(GEMS_F32, {n}), grad = tensor(GEMS_F32, {windows, length});
    std::vector<double> want(n);
    for (int64_t w = 0; w < windows; w++)
      for (int64_t k = 0; k < length; k++) want[w * step + k] += load(GEMS_F32, grad.at(w * length + k));
    ASSERT_EQ(run_axes("unfold_backward", out, grad, 3, true, {{n, 1, length, step, windows, 1, length}}), GEMS_OK);
    for (int64_t i = 0; i < n; i++) ASSERT_EQ(load(GEMS_F32, out.at(i)), want[i]) << step << " " << i;
  }
}

TEST(CudaCompact, MarksPositionsAndElements) {
  for (int dtype : {GEMS_BOOL, GEMS_F32, GEMS_BF16})
    for (const Ints& sizes : {Ints{5, 7}, Ints{3, 41, 67}, Ints{4096 + 64}}) {
      const int64_t n = count(sizes), words = (n + 63) / 64, chunks = (n + 4095) / 4096;
      Tensor mask = tensor(dtype, sizes), marks = tensor(GEMS_I64, {words + chunks + 1}), values = tensor(GEMS_I32, sizes);
      std::vector<int64_t> at;
      for (int64_t i = 0; i < n; i++) {
        store(dtype, mask.at(i), g_random() % 3 == 0);
        if (dtype == GEMS_F32 && i % 5 == 0) store(dtype, mask.at(i), -0.0);
        if (load(dtype, mask.at(i)) != 0) at.push_back(i);
      }
      const int64_t total = (int64_t)at.size(), nd = (int64_t)sizes.size();
      const auto run = [&](const char* op, int phase, const Tensor& out, const Tensor& a, const Tensor* b) {
        gems_call c{};
        c.op = op_find(op);
        c.nout = c.npar = 1;
        c.nin = 1 + phase;
        c.par[0].i = phase;
        c.t[0] = out.view();
        c.t[1] = a.view();
        if (b) c.t[2] = b->view();
        return run_compact(&c);
      };
      ASSERT_EQ(run("nonzero", 0, marks, mask, nullptr), GEMS_OK) << g_reason;
      ASSERT_EQ(load(GEMS_I64, marks.at(words + chunks)), total);
      Tensor positions = tensor(GEMS_I64, {nd, total}), picked = tensor(GEMS_I32, {total}), back = tensor(GEMS_I32, sizes);
      ASSERT_EQ(run("nonzero", 1, positions, marks, &mask), GEMS_OK);
      ASSERT_EQ(run("masked_select", 1, picked, marks, &values), GEMS_OK);
      std::vector<double> want(n);
      for (int64_t i = 0; i < n; i++) want[i] = load(GEMS_I32, back.at(i));
      ASSERT_EQ(run("masked_scatter", 1, back, marks, &picked), GEMS_OK);
      for (int64_t k = 0; k < total; k++) {
        int64_t rest = at[k];
        for (int64_t d = nd - 1; d >= 0; d--) {
          ASSERT_EQ(load(GEMS_I64, positions.at(d * total + k)), rest % sizes[d]);
          rest /= sizes[d];
        }
        ASSERT_EQ(load(GEMS_I32, picked.at(k)), load(GEMS_I32, values.at(at[k])));
        want[at[k]] = load(GEMS_I32, picked.at(k));
      }
      for (int64_t i = 0; i < n; i++) ASSERT_EQ(load(GEMS_I32, back.at(i)), want[i]);
      Tensor few = tensor(GEMS_I32, {total - 1});
      EXPECT_EQ(run("masked_scatter", 1, back, marks, &few), GEMS_FAILED);
    }
}
TEST(CudaCompact, Repeats) {
  Tensor sums = tensor(GEMS_I64, {5}), out = tensor(GEMS_I64, {1000});
  const double ends[] = {0, 3, 3, 700, 1000};
  for (int i = 0; i < 5; i++) store(GEMS_I64, sums.at(i), ends[i]);
  gems_call c{};
  c.op = op_find("repeat_interleave");
  c.nout = c.nin = c.npar = 1;
  c.par[0].i = 1;
  c.t[0] = out.view();
  c.t[1] = sums.view();
  ASSERT_EQ(run_compact(&c), GEMS_OK);
  for (int64_t i = 0; i < 1000; i++) ASSERT_EQ(load(GEMS_I64, out.at(i)), i < 3 ? 1 : i < 700 ? 3 : 4);
}

}  // namespace
}  // namespace gems::cuda
