// The matrix products of the CUDA backend without a GPU: the planner decides as it would for a call, and the kernel that it names
// runs on the host thread by thread (simt_on_host.h). Values are small integers, so every sum is exact and results are compared
// bit by bit.
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "tests/cpp/simt_on_host.h"
// The kernels use the functions that the header above defines.
#include "backends/cuda/plan_matmul.cpp"
#include "kernels/simt/matmul_fma.cuh"
#include "kernels/simt/matmul_thin.cuh"
#include "kernels/simt/matmul_tile.cuh"

namespace gems::cuda {
const char* cuda_type(int dtype) {
  return dtype == GEMS_F16 ? "gems::f16" : dtype == GEMS_BF16 ? "gems::bf16" : dtype == GEMS_F32 ? "float" : "double";
}
}  // namespace gems::cuda

namespace {

using namespace gems;
using namespace gems::cuda;
using simt::MatmulArgs;

// ---- kernels that the cases below want, by the text that the planner would compile ----
#define KERNEL(...)                                                                             \
  {                                                                                             \
    "gems::simt::" #__VA_ARGS__ "(a);", [](const MatmulArgs& a) { gems::simt::__VA_ARGS__(a); } \
  }
const std::map<std::string, void (*)(const MatmulArgs&)> kKernels = {
    KERNEL(matmul_thin<gems::bf16, gems::simt::ThinTensorAlongK<gems::bf16, true>, false>),
    KERNEL(matmul_thin<gems::bf16, gems::simt::ThinTensorAlongK<gems::bf16, true>, true>),
    KERNEL(matmul_thin<gems::bf16, gems::simt::ThinTensorAlongK<gems::bf16, false>, false>),
    KERNEL(matmul_thin<gems::bf16, gems::simt::ThinTensorAlongN<gems::bf16, true>, false>),
    KERNEL(matmul_thin<gems::f16, gems::simt::ThinTensorAlongN<gems::f16, true>, true>),
    KERNEL(matmul_thin<gems::f16, gems::simt::ThinTensorAlongN<gems::f16, false>, false>),
    KERNEL(matmul_thin<float, gems::simt::ThinFmaAlongK<float, 1, true>, false>),
    KERNEL(matmul_thin<float, gems::simt::ThinFmaAlongK<float, 4, true>, true>),
    KERNEL(matmul_thin<float, gems::simt::ThinFmaAlongK<float, 8, false>, false>),
    KERNEL(matmul_thin<float, gems::simt::ThinFmaAlongN<float, 2, true>, true>),
    KERNEL(matmul_thin<float, gems::simt::ThinFmaAlongN<float, 8, false>, false>),
    KERNEL(matmul_thin<double, gems::simt::ThinFmaAlongK<double, 1, true>, false>),
    KERNEL(matmul_thin<double, gems::simt::ThinFmaAlongN<double, 4, true>, false>),
    KERNEL(matmul_tile<gems::bf16, 16, 64, 1, 4, 6, 0, 0, false>),
    KERNEL(matmul_tile<gems::bf16, 16, 64, 1, 4, 6, 0, 1, false>),
    KERNEL(matmul_tile<gems::bf16, 16, 64, 1, 4, 6, 0, 0, true>),
    KERNEL(matmul_tile<gems::bf16, 16, 64, 1, 4, 6, 1, 1, false>),
    KERNEL(matmul_tile<gems::bf16, 16, 64, 1, 4, 6, 2, 1, false>),
    KERNEL(matmul_tile<gems::bf16, 32, 64, 1, 4, 5, 0, 1, false>),
    KERNEL(matmul_tile<gems::f16, 32, 64, 1, 4, 5, 1, 0, true>),
    KERNEL(matmul_tile<gems::bf16, 64, 64, 2, 2, 4, 0, 0, false>),
    KERNEL(matmul_tile<gems::bf16, 64, 64, 2, 2, 4, 0, 1, false>),
    KERNEL(matmul_tile<gems::bf16, 64, 64, 2, 2, 4, 1, 0, false>),
    KERNEL(matmul_tile<gems::bf16, 64, 64, 2, 2, 4, 1, 1, false>),
    KERNEL(matmul_tile<gems::bf16, 64, 64, 2, 2, 4, 1, 2, false>),
    KERNEL(matmul_tile<gems::bf16, 64, 64, 2, 2, 4, 2, 3, false>),
    KERNEL(matmul_tile<gems::bf16, 64, 64, 2, 2, 4, 3, 2, false>),
    KERNEL(matmul_tile<gems::bf16, 128, 128, 2, 4, 3, 0, 0, false>),
    KERNEL(matmul_tile<gems::bf16, 128, 128, 2, 4, 3, 1, 1, false>),
    KERNEL(matmul_tile<gems::bf16, 64, 64, 2, 2, 2, 0, 0, false>),
    KERNEL(matmul_tile<gems::bf16, 64, 64, 2, 2, 6, 0, 0, false>),
    KERNEL(matmul_tile<gems::bf16, 64, 128, 2, 4, 4, 0, 1, false>),
    KERNEL(matmul_tile<gems::bf16, 64, 128, 2, 4, 4, 0, 0, true>),
    KERNEL(matmul_tile<gems::bf16, 128, 64, 4, 2, 4, 1, 0, false>),
    KERNEL(matmul_tile<gems::bf16, 128, 64, 4, 2, 4, 0, 1, false>),
    KERNEL(matmul_tile<gems::bf16, 128, 128, 2, 4, 3, 0, 0, true>),
    KERNEL(matmul_fma<float, 128, 128, 8, 8, 8, 0, 1, true>),
    KERNEL(matmul_fma<float, 32, 64, 16, 4, 4, 0, 0, false>),
    KERNEL(matmul_fma<float, 32, 64, 16, 4, 4, 0, 1, false>),
    KERNEL(matmul_fma<float, 32, 64, 16, 4, 4, 1, 0, true>),
    KERNEL(matmul_fma<float, 32, 64, 16, 4, 4, 2, 3, false>),
    KERNEL(matmul_fma<float, 128, 128, 8, 8, 8, 0, 1, false>),
    KERNEL(matmul_fma<float, 128, 128, 8, 8, 8, 1, 0, false>),
    KERNEL(matmul_fma<double, 32, 64, 16, 4, 4, 0, 1, false>),
    KERNEL(matmul_fma<double, 32, 64, 16, 4, 4, 3, 2, false>),
};

Device device(int sm_count, int cc_major = 9) {
  Device d;
  d.cc_major = cc_major, d.sm_count = sm_count, d.max_smem_per_block = 227 * 1024;
  return d;
}

// ---- tensors ----
enum Layout { kRows, kColumns, kStrided, kOdd, kBroadcast };  // strided: every second element; odd: rows that aren't aligned

double load(const unsigned char* p, int dtype) {
  switch (dtype) {
    case GEMS_BF16: return bf16_to_float(*reinterpret_cast<const bf16*>(p));
    case GEMS_F16: return f16_to_float(*reinterpret_cast<const f16*>(p));
    case GEMS_F32: return *reinterpret_cast<const float*>(p);
    default: return *reinterpret_cast<const double*>(p);
  }
}
void store(unsigned char* p, int dtype, double v) {
  switch (dtype) {
    case GEMS_BF16: *reinterpret_cast<bf16*>(p) = float_to_bf16((float)v); break;
    case GEMS_F16: *reinterpret_cast<f16*>(p) = float_to_f16((float)v); break;
    case GEMS_F32: *reinterpret_cast<float*>(p) = (float)v; break;
    default: *reinterpret_cast<double*>(p) = v;
  }
}

// Everything that isn't an element is NaN.
struct Tensor {
  std::vector<int64_t> sizes, strides;
  int dtype;
  size_t elements = 0;
  std::unique_ptr<unsigned char[]> memory;
  unsigned char* data = nullptr;

  Tensor(int dtype, std::vector<int64_t> s, Layout layout) : sizes(std::move(s)), strides(sizes.size()), dtype(dtype) {
    int64_t step = layout == kStrided ? 2 : 1;
    std::vector<int> order;  // fastest first
    for (int d = (int)sizes.size() - 1; d >= 0; d--) order.push_back(d);
    if (layout == kColumns && order.size() > 1) std::swap(order[0], order[1]);
    for (size_t i = 0; i < order.size(); i++) {
      const int d = order[i];
      strides[(size_t)d] = layout == kBroadcast && i == order.size() - 1 ? 0 : step;
      step *= sizes[(size_t)d] + (layout == kOdd && i == 0 ? 1 + sizes[(size_t)d] % 2 : 0);
    }
    elements = (size_t)step;
    const size_t bytes = elements * (size_t)dtype_size(dtype);
    memory = std::make_unique<unsigned char[]>(bytes + 16);
    data = memory.get() + (16 - reinterpret_cast<uintptr_t>(memory.get()) % 16);
    memset(data, 0xff, bytes);
  }
  unsigned char* at(const std::vector<int64_t>& index) const {
    int64_t o = 0;
    for (size_t d = 0; d < sizes.size(); d++) o += (sizes[d] == 1 ? 0 : index[index.size() - sizes.size() + d]) * strides[d];
    return data + o * dtype_size(dtype);
  }
  template <class F> void each(F f) const {
    std::vector<int64_t> i(sizes.size(), 0);
    int64_t total = 1;
    for (int64_t s : sizes) total *= s;
    for (int64_t n = 0; n < total; n++) {
      int64_t rest = n;
      for (size_t d = sizes.size(); d-- > 0; rest /= sizes[d]) i[d] = rest % sizes[d];
      f(i);
    }
  }
  void fill(std::mt19937& rng) {
    each([&](const auto& i) { store(at(i), dtype, (double)(int)(rng() % 7) - 3); });
  }
  gems_tensor ref() {
    gems_tensor t{};
    t.data = data, t.sizes = sizes.data(), t.strides = strides.data(), t.ndim = (int32_t)sizes.size(), t.dtype = (int8_t)dtype;
    t.device_type = GEMS_CUDA;
    t.numel = 1;
    for (int64_t s : sizes) t.numel *= s;
    return t;
  }
};

gems_tensor absent() {
  gems_tensor t{};
  t.flags = GEMS_T_ABSENT;
  return t;
}

struct Case {
  const char* kernel;  // how the wanted kernel's text begins after "gems::simt::matmul_"
  int dtype;
  std::vector<int64_t> a, b, self;  // sizes; self empty: absent
  Layout layout_a = kRows, layout_b = kRows, layout_out = kRows;
  int sm_count = 1, cc_major = 9;
  double beta = 1, alpha = 1;
  bool vector = false;  // mv: the result is 1-D
  gems_knobs knobs{};
};

void PrintTo(const Case& c, std::ostream* o) {
  *o << c.kernel << " " << testing::PrintToString(c.a) << " @ " << testing::PrintToString(c.b);
}

class MatmulOnHost : public testing::TestWithParam<Case> {};

TEST_P(MatmulOnHost, EqualsTheReference) {
  const Case& c = GetParam();
  std::mt19937 rng(7);
  std::vector<int64_t> out_sizes = c.a;
  out_sizes.back() = c.b.back();
  if (c.vector) out_sizes.pop_back();
  Tensor a(c.dtype, c.a, c.layout_a), b(c.dtype, c.b, c.layout_b), self(c.dtype, c.self, kRows);
  a.fill(rng), b.fill(rng);
  if (!c.self.empty()) self.fill(rng);
  const int64_t k = c.a.back();

  for (int mode = 0; mode < 4; mode++) {
    Tensor out(c.dtype, out_sizes, c.layout_out);
    gems_call call{};
    call.t[0] = out.ref(), call.t[1] = c.self.empty() ? absent() : self.ref(), call.t[2] = a.ref(), call.t[3] = b.ref();
    if (!c.self.empty()) call.npar = 2, call.par[0].d = c.beta, call.par[1].d = c.alpha;
    call.candidate = gems_variant(c.knobs);
    const MatmulPlan p = plan_matmul(&call, device(c.sm_count, c.cc_major), MatmulChoice::own);
    ASSERT_EQ(p.unsupported, nullptr) << p.unsupported;
    const std::string text = matmul_source(p).body;
    ASSERT_EQ(text.rfind(std::string("gems::simt::matmul_") + c.kernel, 0), 0u) << text;
    const auto kernel = kKernels.find(text);
    ASSERT_NE(kernel, kKernels.end()) << "not in the list: " << text;

    simt_host::Machine m;
    m.late_copies = mode % 2, m.downwards = mode / 2;
    for (const Tensor* t : {&a, &b}) {
      const char* d = reinterpret_cast<const char*>(t->data);
      m.readable.push_back({d, d + t->elements * (size_t)dtype_size(c.dtype)});
    }
    ASSERT_EQ(simt_host::run(m, p.grid_x, p.grid_z, p.block, p.smem, p.split, [&] { kernel->second(p.args); }), "");
    EXPECT_EQ(m.conflicts, 0) << "ldmatrix with bank conflicts";

    Tensor want(c.dtype, out_sizes, c.layout_out);
    want.each([&](const std::vector<int64_t>& i) {
      std::vector<int64_t> ia = i, ib = i;
      if (c.vector) ia.push_back(0), ib.push_back(0);
      double sum = 0;
      std::vector<int64_t> is = ia;
      const size_t last = ia.size() - 1;
      for (int64_t j = 0; j < k; j++) {
        ia[last] = j, ib[last - 1] = j;
        sum += load(a.at(ia), c.dtype) * load(b.at(ib), c.dtype);
      }
      double r = c.self.empty() ? sum : c.alpha * sum;
      if (!c.self.empty() && c.beta != 0) r += c.beta * load(self.at(is), c.dtype);
      store(want.at(i), c.dtype, r);
    });
    const size_t bytes = out.elements * (size_t)dtype_size(c.dtype);
    size_t wrong = 0, first = 0;
    for (size_t i = bytes; i-- > 0;)
      if (out.data[i] != want.data[i]) wrong++, first = i;
    const size_t element = first / (size_t)dtype_size(c.dtype);
    ASSERT_EQ(wrong, 0u) << "of " << bytes << " bytes; first at element " << element << ", mode " << mode;
  }
}

constexpr int kBf = GEMS_BF16, kHf = GEMS_F16, kF = GEMS_F32, kD = GEMS_F64;
const Case kCases[] = {
    // thin: one row and eight, units that a block loops over, edges in n and k, clusters, gathered a, batches
    {"thin", kBf, {1, 1032}, {1032, 40}, {}, kRows, kColumns},
    {"thin", kBf, {8, 2048}, {2048, 56}, {56}, kRows, kColumns, kRows, 1, 9, 2, -1},
    {"thin", kBf, {3, 2056}, {2056, 32}, {}, kRows, kColumns, kRows, 4},
    {"thin", kBf, {5, 520}, {520, 24}, {5, 1}, kColumns, kColumns, kColumns},
    {"thin", kBf, {2, 1, 1024}, {2, 1024, 16}, {}, kRows, kColumns},
    {"thin", kBf, {4, 264}, {264, 72}, {}},
    {"thin", kHf, {7, 1024}, {1024, 64}, {}, kRows, kRows, kRows, 3},
    {"thin", kHf, {2, 300}, {300, 136}, {1, 136}, kStrided, kRows, kRows, 1, 9, 1, 3},
    {"thin", kBf, {40, 1032}, {1032, 1}, {}, kRows, kRows, kRows, 1, 9, 1, 1, true},
    {"thin", kF, {1, 516}, {516, 40}, {}, kRows, kColumns},
    {"thin", kF, {3, 1028}, {1028, 30}, {}, kRows, kColumns, kRows, 4},
    {"thin", kF, {6, 512}, {512, 20}, {}, kStrided, kColumns},
    {"thin", kF, {2, 520}, {520, 68}, {}, kRows, kRows, kRows, 4},
    {"thin", kF, {5, 200}, {200, 36}, {}, kColumns, kRows},
    {"thin", kD, {1, 514}, {514, 18}, {}, kRows, kColumns},
    {"thin", kD, {3, 260}, {260, 34}, {}},
    // tensor-core tiles: tiny, one step and many, odd sizes, every pair of layouts, clusters, broadcast batches, k = 0
    {"tile<gems::bf16, 16", kBf, {16, 64}, {64, 64}, {}, kRows, kColumns},
    {"tile<gems::bf16, 16", kBf, {13, 70}, {70, 104}, {}, kOdd, kRows, kRows, 1, 8},
    {"tile<gems::bf16, 16", kBf, {16, 4104}, {4104, 64}, {16, 64}, kRows, kColumns, kRows, 2, 9, 1, 2},
    {"tile<gems::bf16, 16", kBf, {16, 40}, {40, 128}, {}, kColumns, kRows},
    {"tile<gems::bf16, 32", kBf, {3, 24, 136}, {3, 136, 72}, {}, kBroadcast, kRows, kRows},
    {"tile<gems::f16, 32", kHf, {32, 2048}, {2048, 130}, {}, kColumns, kColumns, kRows, 4},
    {"tile<gems::bf16, 64", kBf, {40, 136}, {136, 72}, {72}, kRows, kColumns, kRows, 8, 9, 0, 1},
    {"tile<gems::bf16, 64", kBf, {65, 64}, {64, 80}, {}, kRows, kRows, kOdd, 8},
    {"tile<gems::bf16, 64", kBf, {48, 300}, {300, 65}, {}, kColumns, kColumns, kColumns, 8},
    {"tile<gems::bf16, 64", kBf, {40, 24}, {24, 64}, {}, kColumns, kRows, kRows, 8},
    {"tile<gems::bf16, 64", kBf, {33, 35}, {35, 37}, {33, 37}, kOdd, kOdd, kRows, 8},
    {"tile<gems::bf16, 64", kBf, {33, 70}, {70, 67}, {}, kColumns, kColumns, kRows, 8},
    {"tile<gems::bf16, 64", kBf, {40, 0}, {0, 64}, {40, 64}, kRows, kColumns, kRows, 8, 9, 3, 1},
    {"tile<gems::bf16, 128", kBf, {130, 328}, {328, 136}, {}, kRows, kColumns},
    {"tile<gems::bf16, 128", kBf, {136, 70}, {70, 264}, {}, kColumns, kRows},
    // tiles without tensor cores
    {"fma<float, 32", kF, {20, 44}, {44, 70}, {70}, kRows, kColumns, kRows, 1, 9, -1, 2},
    {"fma<float, 32", kF, {2, 40, 36}, {2, 36, 68}, {}},
    {"fma<float, 32", kF, {32, 1032}, {1032, 64}, {}, kColumns, kColumns, kRows, 8},
    {"fma<float, 32", kF, {17, 19}, {19, 66}, {}, kOdd, kStrided},
    {"fma<float, 128", kF, {130, 36}, {36, 132}, {}},
    {"fma<float, 128", kF, {132, 20}, {20, 132}, {}, kColumns, kColumns},
    {"fma<double, 32", kD, {34, 38}, {38, 66}, {}},
    {"fma<double, 32", kD, {33, 19}, {19, 35}, {33, 35}, kColumns, kColumns, kRows, 1, 9, 2, 1},
    // variants: other tiles than the sizes would get, other pipelines, clusters of large tiles
    {"tile<gems::bf16, 64, 64, 2, 2, 2,", kBf, {40, 200}, {200, 72}, {}, kRows, kColumns, kRows, 1, 9, 1, 1, false, {4, 1, 0, 0}},
    {"tile<gems::bf16, 64, 64, 2, 2, 6,", kBf, {70, 600}, {600, 72}, {}, kRows, kColumns, kRows, 1, 9, 1, 1, false, {4, 5, 0, 0}},
    {"tile<gems::bf16, 64, 128", kBf, {70, 200}, {200, 136}, {}, kRows, kRows, kRows, 1, 9, 1, 1, false, {6, 0, 0, 0}},
    {"tile<gems::bf16, 64, 128", kBf, {40, 520}, {520, 136}, {136}, kRows, kColumns, kRows, 1, 9, 1, 2, false, {6, 0, 0, 2}},
    {"tile<gems::bf16, 128, 64", kBf, {136, 136}, {136, 72}, {}, kColumns, kColumns, kRows, 1, 9, 1, 1, false, {7, 0, 0, 0}},
    {"tile<gems::bf16, 128, 64", kBf, {5, 264}, {264, 72}, {}, kRows, kRows, kRows, 1, 9, 1, 1, false, {7, 0, 0, 1}},
    {"tile<gems::bf16, 128, 128", kBf, {130, 328}, {328, 136}, {}, kRows, kColumns, kRows, 1, 9, 1, 1, false, {5, 0, 0, 3}},
    {"fma<float, 128", kF, {60, 64}, {64, 72}, {}, kRows, kRows, kRows, 1, 9, 1, 1, false, {3, 0, 0, 2}},
};
INSTANTIATE_TEST_SUITE_P(Cases, MatmulOnHost, testing::ValuesIn(kCases));

// ---- the planner alone ----
MatmulPlan plan(int dtype, int64_t m, int64_t n, int64_t k, Layout lb, const Device& d, MatmulChoice choice,
                gems_knobs knobs = {}) {
  const std::vector<int64_t> so = {m, n}, sa = {m, k}, sb = {k, n}, ro = {n, 1}, ra = {k, 1};
  const std::vector<int64_t> rb = lb == kColumns ? std::vector<int64_t>{1, k} : std::vector<int64_t>{n, 1};
  const auto tensor = [&](const std::vector<int64_t>& s, const std::vector<int64_t>& r) {
    gems_tensor t{};
    t.data = reinterpret_cast<void*>(uintptr_t{4096}), t.sizes = s.data(), t.strides = r.data();
    t.ndim = 2, t.dtype = (int8_t)dtype;
    t.numel = s[0] * s[1];
    return t;
  };
  gems_call call{};
  call.candidate = gems_variant(knobs);
  call.t[0] = tensor(so, ro), call.t[1] = absent(), call.t[2] = tensor(sa, ra), call.t[3] = tensor(sb, rb);
  return plan_matmul(&call, d, choice);
}

TEST(MatmulPlan, AKeyStandsForOneKernel) {
  std::map<std::vector<uint64_t>, std::string> kernels;
  std::map<std::string, std::vector<uint64_t>> keys;
  for (int dtype : {kBf, kHf, kF, kD})
    for (int64_t m : {1, 2, 4, 8, 16, 17, 40, 64, 100, 2048})
      for (int64_t n : {1, 16, 63, 512, 4096, 11008})
        for (int64_t k : {1, 64, 511, 2048, 4096})
          for (Layout lb : {kRows, kColumns}) {
            const MatmulPlan p = plan(dtype, m, n, k, lb, device(132), MatmulChoice::own);
            ASSERT_EQ(p.unsupported, nullptr) << p.unsupported;
            const KernelKey key = matmul_key(p);
            const KernelSource s = matmul_source(p);
            const std::string text = s.attributes + s.body + std::to_string(s.block);
            const std::vector<uint64_t> words(key.w, key.w + 3);
            EXPECT_EQ(kernels.emplace(words, text).first->second, text);
            EXPECT_EQ(keys.emplace(text, words).first->second, words);
            EXPECT_LE(p.smem, device(132).max_smem_per_block);
          }
}

TEST(MatmulPlan, FillsTheMachineWithTheWeightsOfADecodingStep) {
  for (int64_t n : {512, 2048, 4096, 8192, 11008, 14336})
    for (Layout lb : {kRows, kColumns}) {
      const MatmulPlan p = plan(kBf, 1, n, 4096, lb, device(132), MatmulChoice::automatic);
      ASSERT_EQ(p.kernel, MatmulKernel::thin);
      EXPECT_GE(p.grid_x, n < 4096 ? 64u : 128u) << n;
      EXPECT_EQ(p.grid_x % p.split, 0u);
    }
}

TEST(MatmulPlan, LeavesLargeProductsToTheNativeKernel) {
  EXPECT_NE(plan(kBf, 4096, 4096, 4096, kRows, device(132), MatmulChoice::automatic).unsupported, nullptr);
  EXPECT_EQ(plan(kBf, 4096, 4096, 4096, kRows, device(132), MatmulChoice::own).unsupported, nullptr);
  EXPECT_EQ(plan(kBf, 16, 64, 64, kRows, device(132), MatmulChoice::automatic).unsupported, nullptr);
  EXPECT_NE(plan(kBf, 16, 64, 64, kRows, device(132), MatmulChoice::native).unsupported, nullptr);
  EXPECT_NE(plan(kBf, 12, 4096, 4095, kRows, device(132), MatmulChoice::automatic).unsupported, nullptr) << "unaligned rows";
}

TEST(MatmulPlan, AKeyStandsForOneKernelOfAVariant) {
  std::map<std::vector<uint64_t>, std::string> kernels;
  int served = 0;
  for (int dtype : {kBf, kF})
    for (int64_t m : {1, 40, 512})
      for (int code = 0; code < 8 * 6 * 5; code++) {
        const gems_knobs knobs{uint8_t(code % 8), uint8_t(code / 8 % 6), 0, uint8_t(code / 48)};
        const MatmulPlan p = plan(dtype, m, 4096, 4096, kColumns, device(132), MatmulChoice::own, knobs);
        if (p.unsupported) continue;
        served++;
        const KernelKey key = matmul_key(p);
        const KernelSource s = matmul_source(p);
        const std::string text = s.attributes + s.body + std::to_string(s.block);
        EXPECT_EQ(kernels.emplace(std::vector<uint64_t>(key.w, key.w + 3), text).first->second, text);
        EXPECT_LE(p.smem, device(132).max_smem_per_block);
        EXPECT_EQ(p.grid_x % p.split, 0u);
        if (knobs.split) { EXPECT_EQ(p.split, 1 << (knobs.split - 1)); }
      }
  EXPECT_GT(served, 300);
}

TEST(MatmulPlan, VariantsThatADeviceCannotHave) {
  const auto refused = [](const Device& d, gems_knobs k) {
    return plan(kBf, 512, 4096, 4096, kColumns, d, MatmulChoice::own, k).unsupported != nullptr;
  };
  Device ampere = device(108, 8);
  ampere.max_smem_per_block = 163 * 1024;
  EXPECT_TRUE(refused(ampere, {0, 0, 0, 2})) << "no clusters";
  EXPECT_FALSE(refused(device(132), {0, 0, 0, 2}));
  EXPECT_TRUE(refused(ampere, {5, 5, 0, 0})) << "six stages of 128 x 128 in 163 KB";
  EXPECT_FALSE(refused(device(132), {5, 5, 0, 0}));
  EXPECT_NE(plan(kBf, 512, 4096, 128, kColumns, device(132), MatmulChoice::own, {4, 0, 0, 3}).unsupported, nullptr)
      << "two steps";
}

TEST(MatmulPlan, NoClustersBeforeHopper) {
  const MatmulPlan p = plan(kBf, 1, 2048, 8192, kColumns, device(108, 8), MatmulChoice::automatic);
  EXPECT_EQ(p.unsupported, nullptr);
  EXPECT_EQ(p.split, 1);
}

}  // namespace
