// The index and create families of the CPU backend.
#include "tests/cpp/family_test.h"

namespace gems::test {
namespace {

// out[i...] = self[..., index, ...] as the binding asks for it; index_dims: which dimension of the result each index dimension is.
gems_status pick(const char* op, Tensor& out, Tensor& self, Tensor& index, int dim, const std::vector<int64_t>& self_strides,
                 const std::vector<int64_t>& index_strides) {
  gems_call call = make_call(op, {out.ref()}, {self.ref(), index.ref()}, GEMS_I64);
  call.npar = 2;
  call.par[0].i = self.strides()[dim];
  call.par[1].i = self.sizes()[dim];
  const int64_t* strides[3] = {out.strides().data(), self_strides.data(), index_strides.data()};
  EXPECT_EQ(build_index(call, static_cast<int>(out.sizes().size()), out.sizes().data(), strides), Plan::ok);
  return cpu()->run(&call);
}

gems_status index_select(Tensor& out, Tensor& self, Tensor& index, int dim) {
  std::vector<int64_t> ss = self.strides(), is(ss.size(), 0);
  ss[dim] = 0;
  is[dim] = index.strides()[0];
  return pick("index_select", out, self, index, dim, ss, is);
}
gems_status gather(Tensor& out, Tensor& self, Tensor& index, int dim) {
  std::vector<int64_t> ss = self.strides();
  ss[dim] = 0;
  return pick("gather", out, self, index, dim, ss, index.strides());
}

constexpr int kDtypes[] = {GEMS_U8, GEMS_BF16, GEMS_F32, GEMS_F64, GEMS_BOOL, GEMS_I64};

TEST_P(Family, IndexSelect) {
  for (int dtype : kDtypes)
    for (int index_dtype : {GEMS_I32, GEMS_I64})
      for (int dim : {0, 1, 2})
        for (const std::vector<int>& order : {std::vector<int>{0, 1, 2}, std::vector<int>{2, 0, 1}})
          for (int64_t count : {1, 5, 3000}) {
            Tensor self(dtype, {7, 9, 33}, order);
            self.fill(0, dtype == GEMS_BOOL ? 2 : 100);
            std::vector<int64_t> sizes = self.sizes();
            sizes[dim] = count;
            Tensor out(dtype, sizes, {}, dim == 1 ? 2 : 1), index(index_dtype, {count}, {}, 2);
            index.fill(0, static_cast<double>(self.sizes()[dim]));
            ASSERT_EQ(index_select(out, self, index, dim), GEMS_OK);
            int64_t inner = 1;
            for (int d = dim + 1; d < 3; d++) inner *= sizes[d];
            for (int64_t i = 0, n = out.numel(); i < n; i++) {
              const int64_t at = i / inner % count,
                            from =
                                (i / inner / count * self.sizes()[dim] + static_cast<int64_t>(index.at(at))) * inner + i % inner;
              ASSERT_EQ(out.at(i), self.at(from)) << dtype_name(dtype) << " dim " << dim << " at " << i;
            }
            EXPECT_TRUE(out.gaps_untouched());
          }
}

TEST_P(Family, Gather) {
  for (int dtype : kDtypes)
    for (int dim : {0, 1})
      for (const std::vector<int64_t>& sizes :
           {std::vector<int64_t>{5, 40}, std::vector<int64_t>{1, 1}, std::vector<int64_t>{300, 70}}) {
        Tensor self(dtype, {320, 80}), index(GEMS_I64, sizes, {1, 0}), out(dtype, sizes);
        self.fill(0, dtype == GEMS_BOOL ? 2 : 100);
        index.fill(0, static_cast<double>(self.sizes()[dim]));
        ASSERT_EQ(gather(out, self, index, dim), GEMS_OK);
        for (int64_t i = 0, n = out.numel(); i < n; i++) {
          const int64_t r = i / sizes[1], c = i % sizes[1], k = static_cast<int64_t>(index.at(i));
          ASSERT_EQ(out.at(i), self.at(dim == 0 ? k * 80 + c : r * 80 + k));
        }
      }
}

TEST_P(Family, EmbeddingRows) {
  Tensor weight(GEMS_BF16, {50, 64}), index(GEMS_I64, {3, 7}), out(GEMS_BF16, {3, 7, 64});
  weight.fill(-1, 1);
  index.fill(0, 50);
  ASSERT_EQ(pick("embedding", out, weight, index, 0, {0, 0, 1}, {7, 1, 0}), GEMS_OK);
  for (int64_t i = 0; i < 21; i++)
    for (int64_t j = 0; j < 64; j++) ASSERT_EQ(out.at(i * 64 + j), weight.at(static_cast<int64_t>(index.at(i)) * 64 + j));
}

TEST_P(Family, OutOfRangeFails) {
  for (double bad : {-1.0, 10.0, 1e15, -1e15}) {
    Tensor self(GEMS_F32, {10, 4}), index(GEMS_I64, {6}), rows(GEMS_F32, {6, 4}), columns(GEMS_F32, {10, 6}),
        weight(GEMS_F32, {10, 4});
    self.fill(0, 1);
    index.fill(0, 4);
    index.set(4, bad);
    EXPECT_EQ(index_select(rows, self, index, 0), GEMS_FAILED);
    EXPECT_STREQ(cpu()->last_error(), "index out of range in self");
    EXPECT_EQ(index_select(columns, self, index, 1), GEMS_FAILED);
  }
}

TEST_P(Family, EmbeddingGradient) {
  for (int dtype : {GEMS_F32, GEMS_BF16, GEMS_F16, GEMS_F64})
    for (int index_dtype : {GEMS_I32, GEMS_I64})
      for (int64_t width : {1, 7, 576}) {
        const int64_t rows = 40, n = 500, padding = 3;
        Tensor weight(dtype, {rows, width}), grad(dtype, {n, width}), index(index_dtype, {n});
        grad.fill(-1, 1);
        index.fill(0, 30);  // rows 30.. get nothing
        auto run = [&] {
          gems_call call = make_call("embedding_dense_backward", {weight.ref()}, {grad.ref(), index.ref()}, compute_for(dtype));
          call.npar = 1;
          call.par[0].i = padding;
          return cpu()->run(&call);
        };
        ASSERT_EQ(run(), GEMS_OK);
        std::vector<Real> want(rows * width, 0), size(rows * width, 0);
        for (int64_t i = 0; i < n; i++)
          for (int64_t j = 0; j < width && index.at(i) != padding; j++) {
            const int64_t to = static_cast<int64_t>(index.at(i)) * width + j;
            want[to] += grad.at(i * width + j);
            size[to] += std::fabs(grad.at(i * width + j));
          }
        for (int64_t i = 0; i < rows * width; i++)
          ASSERT_TRUE(close(weight.at(i), want[i],
                            rounding(dtype, want[i]) + 16 * epsilon(compute_for(dtype)) * static_cast<double>(size[i])));
        const auto first = weight.bytes();
        g_threads = 1;
        ASSERT_EQ(run(), GEMS_OK);
        EXPECT_EQ(weight.bytes(), first);
        g_threads = 3;
        index.set(n - 1, 40);
        EXPECT_EQ(run(), GEMS_FAILED);
      }
}

TEST_P(Family, Triangles) {
  for (int dtype : kDtypes)
    for (const char* op : {"tril", "triu"})
      for (int64_t diagonal : {-100, -3, 0, 2, 100})
        for (const std::vector<int64_t>& sizes :
             {std::vector<int64_t>{3, 20, 30}, std::vector<int64_t>{2, 30, 20}, std::vector<int64_t>{1, 1, 1}})
          for (int form = 0; form < 3; form++) {  // dense, source across and gaps in the result, in place
            Tensor in(dtype, sizes, form == 1 ? std::vector<int>{0, 2, 1} : std::vector<int>{}),
                fresh(dtype, sizes, {}, form == 1 ? 2 : 1);
            in.fill(1, dtype == GEMS_BOOL ? 2 : 100);
            const auto before = in.values();
            Tensor& out = form == 2 ? in : fresh;
            gems_call call = make_call(op, {out.ref()}, {in.ref()}, GEMS_I64);
            call.npar = 1;
            call.par[0].i = diagonal;
            ASSERT_EQ(cpu()->run(&call), GEMS_OK);
            for (int64_t i = 0, n = out.numel(); i < n; i++) {
              const int64_t c = i % sizes[2], r = i / sizes[2] % sizes[1];
              const bool keep = op[3] == 'l' ? c - r <= diagonal : c - r >= diagonal;
              ASSERT_EQ(out.at(i), keep ? before[i] : 0) << op << " " << diagonal << " at " << i;
            }
            EXPECT_TRUE(out.gaps_untouched());
          }
}

TEST_P(Family, Arange) {
  for (int dtype : {GEMS_F32, GEMS_BF16, GEMS_F64, GEMS_I64, GEMS_I32, GEMS_U8})
    for (int64_t n : {0, 1, 77, 5000})
      for (int64_t gap : {1, 3}) {
        const bool f = dtype_is_float(dtype);
        Tensor out(dtype, {n}, {}, gap);
        gems_call call = make_call("arange", {out.ref()}, {}, f ? GEMS_F64 : GEMS_I64);
        call.npar = 2;
        if (f) call.par[0].d = -1.5, call.par[1].d = .25;
        else call.par[0].i = 3, call.par[1].i = 2;
        ASSERT_EQ(build_pointwise(call), Plan::ok);
        ASSERT_EQ(cpu()->run(&call), GEMS_OK);
        for (int64_t i = 0; i < n; i++) {
          const int64_t v = 3 + 2 * i;
          ASSERT_EQ(out.at(i), f ? round_to(dtype, -1.5 + .25 * static_cast<double>(i))
                                 : static_cast<double>(dtype == GEMS_U8 ? v & 255 : v));
        }
        EXPECT_TRUE(out.gaps_untouched());
      }
}

GEMS_EVERY_INSTRUCTION_SET;

}  // namespace
}  // namespace gems::test
