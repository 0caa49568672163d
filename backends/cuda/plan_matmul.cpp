#include "backends/cuda/plan_matmul.h"

#include <algorithm>
#include <utility>

#include "gems/op.h"

namespace gems::cuda {
namespace {

using simt::MatmulArgs;

constexpr int kTileK = simt::kTileK;
constexpr MatmulTile kTensorTiles[] = {{16, 64, kTileK, 1, 4, 6, 3},  {32, 64, kTileK, 1, 4, 5, 3},
                                       {64, 64, kTileK, 2, 2, 4, 3},  {128, 128, kTileK, 2, 4, 3, 2},
                                       {64, 128, kTileK, 2, 4, 4, 2}, {128, 64, kTileK, 4, 2, 4, 2}};  // the last two: knobs only
constexpr MatmulTile kFmaTiles[] = {{32, 64, 16, 4, 4, 0, 3}, {128, 128, 8, 8, 8, 0, 2}};

// Knobs.
//   tile    1: the thin kernel; 2 to 7: the tile of a block, tensor cores 16x64, 32x64, 64x64, 128x128, 64x128, 128x64 (rows of a by
//           columns of b), else 32x64, 128x128
//   unroll  1 to 5: 2 to 6 stages of the tensor-core tiles' pipeline
//   split   1 to 4: 1, 2, 4, 8 blocks of a cluster share k

// Where our kernels run when GEMS_MATMUL doesn't decide. These limits follow from counts of bytes and operations and must be
// measured: benchmark/gpu_matmul.py runs both sides of each. cuBLAS keeps what is bound by tensor cores: it has 783 TFLOP/s at
// 4096^3 (H200) through wgmma, and our tiles use mma.sync, which Hopper runs at a lower rate.
struct Limits {
  int64_t small = int64_t(1) << 22;  // batch * m * n * k up to which a call costs more on the host than on the GPU
  int64_t rows_thin = 8;             // min(m, n) of the thin kernels: bound by memory
  int64_t rows_tile_16bit = 8;       // of the tensor-core tiles: 5 to 20 % behind native at 16 rows (H100)
  int64_t rows_tile_fma = 8;
};
constexpr Limits kLimits;

bool own_is_faster(const MatmulPlan& p) {
  const MatmulArgs& a = p.args;
  const bool thin = p.kernel == MatmulKernel::thin;
  if (thin && (p.layout_b == simt::kAlongK || dtype_size(p.dtype) != 2)) return true;
  const int64_t mn = int64_t(a.m) * a.n, limit = kLimits.small / std::max(a.k, 1);
  if (mn <= limit && a.batch <= limit / std::max<int64_t>(mn, 1)) return true;
  // 16 bits with b along n: native is ahead by 10 to 60 % on an H100 (m 1 to 8, n and k 2048 to 14336).
  if (thin) return false;
  if (p.layout_a >= simt::kGatherK || p.layout_b >= simt::kGatherK) return false;  // element by element
  return a.m <= (p.kernel == MatmulKernel::tile ? kLimits.rows_tile_16bit : kLimits.rows_tile_fma);
}

constexpr int64_t kMaxSize = (1 << 30) - 1;  // of m, n, k and the batch: indices of the kernels are int, with room for a tile

// A matrix, or a batch of them, in three dimensions.
struct View {
  const void* p = nullptr;
  int64_t size[3] = {1, 1, 1}, stride[3] = {0, 0, 0};
};

// Dimensions are counted from the last; `column`: a 1-D tensor is a column instead of a row.
View view(const gems_tensor& t, bool column) {
  View v;
  v.p = t.data;
  const int last = column && t.ndim == 1 ? 1 : 2;
  for (int d = 0; d < t.ndim; d++) {
    v.size[last - d] = t.sizes[t.ndim - 1 - d];
    v.stride[last - d] = t.strides[t.ndim - 1 - d];
  }
  return v;
}

bool aligned(const void* p, int64_t stride_z, int64_t batch, int64_t pack) {
  return (reinterpret_cast<uintptr_t>(p) & 15) == 0 && (batch == 1 || stride_z % pack == 0);
}

// `whole`: the kernel wants each line of an aligned operand to end with a whole pack.
int layout_of(const void* p, int64_t s_mn, int64_t s_k, int64_t s_z, int64_t mn, int64_t k, int64_t batch, int64_t pack,
              bool whole) {
  if (aligned(p, s_z, batch, pack)) {
    if ((s_k == 1 || k == 1) && (s_mn % pack == 0 || mn == 1) && (!whole || k % pack == 0)) return simt::kAlongK;
    if ((s_mn == 1 || mn == 1) && (s_k % pack == 0 || k == 1) && (!whole || mn % pack == 0)) return simt::kAcrossK;
  }
  return s_k <= s_mn ? simt::kGatherK : simt::kGatherMN;
}

// Computes the transposed product instead: b^T a^T, written through swapped strides.
void transpose(MatmulArgs& a) {
  std::swap(a.a, a.b);
  std::swap(a.m, a.n);
  std::swap(a.a_m, a.b_n);
  std::swap(a.a_k, a.b_k);
  std::swap(a.a_z, a.b_z);
  std::swap(a.s_m, a.s_n);
  std::swap(a.o_m, a.o_n);
}

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Blocks that share the k of one unit: as many as the machine has room for, while each has `least` steps of its own. 0: the knob
// wants more than there are steps.
int split_of(const Device& dev, gems_knobs k, int64_t units, int64_t slots, int64_t steps, int64_t least) {
  if (k.split) return steps >> (k.split - 1) ? 1 << (k.split - 1) : 0;
  int split = 1;
  if (dev.cc_major >= 9)  // clusters
    while (split < 8 && units * split * 2 <= slots && steps >= least * split * 2) split *= 2;
  return split;
}

// k below which most warps of a thin block would have nothing to do: they split k.
constexpr int64_t thin_least_k(bool along_k, int size) { return simt::thin_k_step(along_k, size) / 2; }

// Gathering a, double, and many rows in float take more than the 128 registers that two blocks of 256 threads leave each.
int thin_blocks(const MatmulPlan& p) {
  return p.dtype == GEMS_F64 || p.layout_a != simt::kAlongK || (p.dtype == GEMS_F32 && p.config >= 4) ? 1 : 2;
}

bool plan_thin(MatmulPlan& p, const Device& dev, int size) {
  const MatmulArgs& a = p.args;
  const int64_t pack = 16 / size;
  if (a.m > (size == 8 ? 4 : kLimits.rows_thin) || !aligned(a.b, a.b_z, a.batch, pack)) return false;
  bool along;
  if (a.b_k == 1 && a.k % pack == 0 && (a.b_n % pack == 0 || a.n == 1)) along = true;
  else if (a.b_n == 1 && a.n % pack == 0 && a.b_k % pack == 0) along = false;
  else return false;
  if (a.k < thin_least_k(along, size)) return false;
  p.kernel = MatmulKernel::thin;
  p.config = 8;
  if (size != 2)
    while (p.config / 2 >= a.m) p.config /= 2;
  p.layout_b = along ? simt::kAlongK : simt::kAcrossK;
  const bool a_along = a.a_k == 1 && a.k % pack == 0 && (a.a_m % pack == 0 || a.m == 1) && aligned(a.a, a.a_z, a.batch, pack);
  p.layout_a = a_along ? simt::kAlongK : simt::kGatherK;
  const int64_t units = ceil_div(a.n, simt::thin_tile(along, size)), slots = thin_blocks(p) * dev.sm_count;
  const int64_t steps = ceil_div(a.k, simt::thin_k_step(along, size));
  // 64 units alone beat two halves of a step each: 5.7 us instead of 7.0 for 2048x2048 in bfloat16 (H100).
  p.split = (uint8_t)split_of(dev, p.knobs, units * a.batch, slots, steps, units * a.batch >= 64 ? 4 : 1);
  if (!p.split) return true;
  p.grid_x = (unsigned)(std::min<int64_t>(units, std::max<int64_t>(slots / p.split, 1)) * p.split);
  p.block = 32 * simt::kThinWarps;
  p.smem = simt::thin_smem(along, size, p.config, p.split > 1);
  return true;
}

bool plan_tile(MatmulPlan& p, const Device& dev, int size) {
  MatmulArgs& a = p.args;
  const int64_t pack = 16 / size;
  const bool tensor = size == 2;
  p.kernel = tensor ? MatmulKernel::tile : MatmulKernel::fma;
  const int64_t large = ceil_div(a.m, 128) * ceil_div(a.n, 128) * a.batch;
  const bool fits = tensor ? dev.max_smem_per_block >= simt::tile_smem(128, 128, 3, false) : size == 4;
  p.layout_a = (uint8_t)layout_of(a.a, a.a_m, a.a_k, a.a_z, a.m, a.k, a.batch, pack, !tensor);
  p.layout_b = (uint8_t)layout_of(a.b, a.b_n, a.b_k, a.b_z, a.n, a.k, a.batch, pack, !tensor);
  const bool gathers = p.layout_a >= simt::kGatherK || p.layout_b >= simt::kGatherK;  // wants threads more than reuse
  if (p.knobs.tile) p.config = (uint8_t)(p.knobs.tile - 2);
  else if (fits && !gathers && a.m > 64 && large >= dev.sm_count) p.config = tensor ? 3 : 1;
  else p.config = !tensor || a.m <= 16 ? 0 : a.m <= 32 ? 1 : 2;
  const MatmulTile& t = matmul_tile(p.kernel, p.config);
  const int64_t tiles = ceil_div(a.m, t.m) * ceil_div(a.n, t.n);
  if (tiles > 0x7fffffff / 8) return false;
  // The large tiles fill the machine as they are; of a small product a cluster's two barriers cost more than the loads it
  // spreads.
  const bool alone = !p.knobs.split && (t.m == 128 || int64_t(a.n) * a.k * size < (1 << 18));
  const int64_t steps = ceil_div(a.k, t.k);
  if (!alone) p.split = (uint8_t)split_of(dev, p.knobs, tiles * a.batch, t.blocks * dev.sm_count, steps, 256 / t.k);
  if (!p.split) return true;
  p.grid_x = (unsigned)(tiles * p.split);
  if (tensor) {
    p.block = 32 * t.part_m * t.part_n;
    p.stages = (uint8_t)(p.knobs.unroll ? p.knobs.unroll + 1 : t.stages);
    p.smem = simt::tile_smem(t.m, t.n, p.stages, p.split > 1);
    a.pair = a.o_n == 1 && a.n % 2 == 0 && (a.o_m % 2 == 0 || a.m == 1) && (a.o_z % 2 == 0 || a.batch == 1) &&
             reinterpret_cast<uintptr_t>(a.out) % 4 == 0;
  } else {
    p.block = (t.m / t.part_m) * (t.n / t.part_n);
    p.smem = simt::fma_smem(t.m, t.n, t.k, size, p.split > 1);
  }
  return p.smem <= dev.max_smem_per_block;
}

// Why a knob can't be had; null if it can.
const char* refused(const MatmulPlan& p, const Device& dev, int size) {
  const gems_knobs k = p.knobs;
  if (k.split > 1 && dev.cc_major < 9) return "matmul: clusters need compute capability 9.0";
  if (k.unroll && size != 2) return "matmul: only tensor-core tiles have stages";
  if (k.tile > (size == 2 ? 7 : size == 4 ? 3 : 2)) return "matmul: no such tile for this type";
  return nullptr;
}

std::string number(int64_t n) { return std::to_string(n); }

}  // namespace

const MatmulTile& matmul_tile(MatmulKernel kernel, int config) {
  return kernel == MatmulKernel::tile ? kTensorTiles[config] : kFmaTiles[config];
}

MatmulPlan plan_matmul(const gems_call* call, const Device& dev, MatmulChoice choice) {
  MatmulPlan p;
  const auto no = [&](const char* reason) {
    p.unsupported = reason;
    return p;
  };
  if (choice == MatmulChoice::native) return no("matmul: GEMS_MATMUL=native");
  const gems_tensor &out = call->t[0], &self = call->t[1], &ta = call->t[2], &tb = call->t[3];
  const bool has_self = !(self.flags & GEMS_T_ABSENT);
  p.dtype = out.dtype;
  if (!dtype_is_float(out.dtype)) return no("matmul: only floating-point types");
  if (ta.dtype != out.dtype || tb.dtype != out.dtype || (has_self && self.dtype != out.dtype))
    return no("matmul: operands of different types");
  if (out.ndim > 3 || ta.ndim > 3 || tb.ndim > 3 || (has_self && self.ndim > 3)) return no("matmul: more than three dimensions");
  const int size = dtype_size(out.dtype);
  if (size == 2 && dev.cc_major < 8) return no("matmul: 16-bit types need compute capability 8.0");

  const View o = view(out, true), a = view(ta, false), b = view(tb, true);
  MatmulArgs& args = p.args;
  for (int d = 0; d < 3; d++)
    if (o.size[d] > kMaxSize || a.size[d] > kMaxSize) return no("matmul: a dimension of 2^30 or more");
  args.batch = (int)o.size[0], args.m = (int)o.size[1], args.n = (int)o.size[2], args.k = (int)a.size[2];
  if (a.size[0] != args.batch || b.size[0] != args.batch || a.size[1] != args.m || b.size[2] != args.n || b.size[1] != args.k)
    return no("matmul: sizes of the operands don't fit");
  args.a = a.p, args.a_z = a.stride[0], args.a_m = a.stride[1], args.a_k = a.stride[2];
  args.b = b.p, args.b_z = b.stride[0], args.b_k = b.stride[1], args.b_n = b.stride[2];
  args.out = out.data, args.o_z = o.stride[0], args.o_m = o.stride[1], args.o_n = o.stride[2];
  if (call->npar >= 2) args.beta = has_self ? call->par[0].d : 0, args.alpha = call->par[1].d;
  else args.beta = has_self, args.alpha = 1;
  if (has_self && args.beta != 0) {
    const View s = view(self, false);
    for (int d = 0; d < 3; d++)
      if (s.size[d] != 1 && s.size[d] != o.size[d]) return no("matmul: self can't be broadcast");
    args.self = s.p;
    const auto step = [&](int d) { return s.size[d] == 1 ? 0 : s.stride[d]; };
    args.s_z = step(0), args.s_m = step(1), args.s_n = step(2);
  }
  args.beta_f = (float)args.beta, args.alpha_f = (float)args.alpha;
  if (args.batch == 0 || args.m == 0 || args.n == 0) return p;

  if (args.n < args.m && args.n <= 64) transpose(args);
  p.knobs = gems_knobs_of(call->candidate);
  if (const char* why = refused(p, dev, size)) return no(why);
  const bool thin = p.knobs.tile <= 1 && plan_thin(p, dev, size);
  if (p.knobs.tile == 1 && !thin) return no("matmul: not for the thin kernel");
  if (p.knobs.unroll && thin) return no("matmul: the thin kernel has no stages");
  if (!thin && !plan_tile(p, dev, size)) return no("matmul: too large for our tiles");
  if (!p.split) return no("matmul: k is too short to be shared");
  if (choice == MatmulChoice::automatic && !own_is_faster(p)) return no("matmul: native is faster for this size");
  args.split = p.split;
  p.grid_z = (unsigned)std::min<int64_t>(args.batch, 65535);
  return p;
}

KernelKey matmul_key(const MatmulPlan& p) {
  return {{(uint64_t)family::matmul << 56 | (uint64_t)p.kernel,
           (uint64_t)(uint8_t)p.dtype | (uint64_t)p.config << 8 | (uint64_t)p.stages << 16,
           (uint64_t)p.layout_a | (uint64_t)p.layout_b << 8 | (uint64_t)p.split << 16}};
}

KernelSource matmul_source(const MatmulPlan& p) {
  KernelSource s;
  const std::string type = cuda_type(p.dtype), split = p.split > 1 ? "true" : "false";
  const std::string layouts = number(p.layout_a) + ", " + number(p.layout_b);
  int blocks;  // of a multiprocessor: bounds the registers
  if (p.kernel == MatmulKernel::thin) {
    const bool tensor = dtype_size(p.dtype) == 2;
    blocks = thin_blocks(p);
    s.headers = "#include \"kernels/simt/matmul_thin.cuh\"\n";
    s.body = "gems::simt::matmul_thin<" + type + ", gems::simt::Thin" + (tensor ? "Tensor" : "Fma") +
             (p.layout_b == simt::kAlongK ? "AlongK<" : "AlongN<") + type + (tensor ? "" : ", " + number(p.config)) +
             (p.layout_a == simt::kAlongK ? ", true" : ", false") + ">, " + split + ">(a);";
  } else {
    const MatmulTile& t = matmul_tile(p.kernel, p.config);
    const bool tensor = p.kernel == MatmulKernel::tile;
    blocks = t.blocks;
    s.headers = std::string("#include \"kernels/simt/matmul_") + (tensor ? "tile" : "fma") + ".cuh\"\n";
    const std::string depth = tensor ? "" : number(t.k) + ", ", stages = tensor ? number(p.stages) + ", " : "";
    const std::string tile = number(t.m) + ", " + number(t.n) + ", " + depth + number(t.part_m) + ", " + number(t.part_n);
    s.body = std::string("gems::simt::matmul_") + (tensor ? "tile<" : "fma<") + type + ", " + tile + ", " + stages + layouts +
             ", " + split + ">(a);";
  }
  s.attributes = "__launch_bounds__(" + number(p.block) + ", " + number(blocks) + ")";
  if (p.split > 1) s.attributes += " __cluster_dims__(" + number(p.split) + ", 1, 1)";
  s.args_type = "gems::simt::MatmulArgs";
  s.args_size = sizeof(MatmulArgs);
  s.block = p.block;
  s.smem = p.smem;
  return s;
}

}  // namespace gems::cuda
