// Planner of the index family: gather and scatter (kernels/simt/index.cuh) and embedding's gradient.
#include <algorithm>
#include <cstring>

#include "backends/cuda/geometry.h"
#include "backends/cuda/jit.h"
#include "gems/op.h"

namespace gems::cuda {
namespace {

constexpr int kUnroll = 4;  // look-ups in flight a thread

// Knobs: those of geometry.h; unroll: look-ups in flight, not in the gradient.
KernelKey key_of(const gems_call* c, int kind, int log_e, int dims, uint64_t turned) {
  KernelKey k;
  k.w[0] = (uint64_t)c->op->family << 56 | turned << 24 |
           (uint64_t)(kind << 16 | log_e << 8 | dims);  // the same kernels serve every operator
  k.w[1] = (uint64_t)(uint8_t)c->t[0].dtype << 8 | (uint64_t)(uint8_t)c->t[2].dtype;
  k.w[2] = 0;
  return k;
}

KernelSource source(const std::string& args, const std::string& body, int block, size_t args_size) {
  KernelSource src;
  src.headers = "#include \"kernels/simt/index.cuh\"\n";
  src.attributes = "__launch_bounds__(" + std::to_string(block) + ")";
  src.args_type = "gems::simt::" + args;
  src.body = "gems::simt::" + body + "(a);";
  src.block = block;
  src.start = KernelSource::Start::overlapping;
  src.args_size = args_size;
  return src;
}

constexpr const char* kCombine[] = {"set", "add", "mul", "min", "max"};

// combine < 0: gather, t[0] is walked and t[1] the table; else scatter, the other way round.
gems_status look_up(const gems_call* c, const Device* dev, Space& g, int combine) {
  if (!g.fits_32_bits()) {
    Space rest;
    if (g.cut(rest) < 0) return unsupported("an operand's offsets exceed 32 bits");
    const gems_status r = look_up(c, dev, g, combine);
    return r == GEMS_OK ? look_up(c, dev, rest, combine) : r;
  }
  const Knobs turned(c);
  const gems_knobs* const knobs = turned.set;
  const int unroll = unroll_of(knobs, kUnroll), n = g.nops - 2;
  bool dense = combine <= 0 && g.stride[0][0] == 1 && g.stride[1][0] == 1;
  for (int k = 0; k < n; k++) dense = dense && g.stride[2 + k][0] == 0;
  int log_e = 0;
  if (dense) {
    uint64_t mis = (uint64_t)g.size[0] | g.slot[0] >> g.log_size[0] | g.slot[1] >> g.log_size[0];
    for (int k = 0; k < n; k++) mis |= (uint64_t)c->par[2 * k].i;
    for (int d = 1; d < g.ndim; d++) mis |= (uint64_t)(g.stride[0][d] | g.stride[1][d]);
    log_e = std::min(log_vector_bytes(knobs) - g.log_size[0], mis ? __builtin_ctzll(mis) : 4);
  }
  const int dims = padded_dims(g.ndim);
  const uint64_t vectors = (uint64_t)g.numel() >> log_e;
  // Larger blocks for calls of a few waves: 8 to 16 % on an H100 (index_select, 2^18 to 2^21 elements).
  const int usual_block =
      vectors >= (uint64_t)dev->sm_count * kBlock && vectors < (uint64_t)dev->sm_count * kBlock * 8 ? 512 : kBlock;
  const int block = knobs && knobs->block ? block_of(knobs) : usual_block;
  const uint32_t tile = tile_of(vectors, unroll, block, knobs, dev->sm_count);
  ArgWriter w;
  for (int k = 0; k < 2 + n; k++) w.u64(g.slot[k]);
  for (int k = 0; k < n; k++) w.u64((uint64_t)c->par[2 * k].i);
  for (int k = 0; k < n; k++) w.u64((uint64_t)c->par[2 * k + 1].i);
  w.u64(c->npar > 2 ? (uint64_t)c->par[6].i : 0);
  w.u32((uint32_t)vectors);
  w.u32(tile);
  for (int d = 0; d < dims; d++) w.div(d >= g.ndim ? 1 : d ? (uint64_t)g.size[d] : (uint64_t)g.size[0] >> log_e);
  for (int d = 0; d < dims; d++)
    for (int k = 0; k < 2 + n; k++) w.i32(d >= g.ndim ? 0 : d ? g.stride[k][d] : g.stride[k][0] << log_e);
  KernelKey key = key_of(c, 0, log_e, dims, unroll != kUnroll || block != kBlock ? (uint64_t)(unroll << 12 | block) : 0);
  key.w[1] = (uint64_t)(combine + 1) << 24 | (uint64_t)n << 16 | (key.w[1] & 255);
  key.w[1] |= (uint64_t)(combine <= 0 ? g.log_size[0] : 16 + c->t[0].dtype)
              << 8;  // what only moves: its size instead of its dtype
  const Kernel* k = kernel_for(dev, key, [&] {
    const std::string d = std::to_string(dims) + ", " + std::to_string(n) + ">";
    const std::string type =
        combine <= 0 ? kBitsName[g.log_size[0]] : cuda_type(c->t[0].dtype == GEMS_BOOL ? (int)GEMS_U8 : c->t[0].dtype);
    return source("IndexArgs<" + d,
                  (combine < 0 ? "index<" + type : "scatter<" + type + ", gems::simt::combine_" + kCombine[combine]) + ", " +
                      cuda_type(c->t[2].dtype) + ", " + std::to_string(block) + ", " + std::to_string(1 << log_e) + ", " +
                      std::to_string(unroll) + ", " + d,
                  block, w.size());
  });
  if (!k) return GEMS_UNSUPPORTED;
  return launch(c, k, (unsigned)((vectors + tile - 1) / tile), 1, 1, (unsigned)block, 0, w.data());
}

// t = grad_weight [rows, width], grad [n, width], index [n], all dense; par[0] = padding_idx.
gems_status embedding_grad(const gems_call* c, const Device* dev) {
  const gems_tensor &out = c->t[0], &grad = c->t[1], &index = c->t[2];
  const int64_t rows = out.sizes[0], width = out.sizes[1], n = index.numel;
  // Each of n blocks reads the whole index: 16384 tokens cost 2 GiB of L2 traffic; sorting, as the native kernel does, wins beyond.
  if (n > 16384) return unsupported("embedding_dense_backward of more than 16384 indices");
  if (!(out.flags & GEMS_T_CONTIGUOUS) || grad.dtype != out.dtype || !dtype_is_float(out.dtype))
    return unsupported("layout or dtype of embedding's gradient");
  const Knobs turned(c);
  const gems_knobs* const knobs = turned.set;
  if (knobs && knobs->unroll) return unsupported("embedding's gradient has one vector a thread");
  const int block = block_of(knobs);
  if (rows == 0 || width == 0) return GEMS_OK;
  const int log_size = kLogSize.of[out.dtype];
  const uint64_t mis = (uint64_t)width | (uintptr_t)out.data >> log_size | (uintptr_t)grad.data >> log_size;
  const int log_e = std::min(log_vector_bytes(knobs) - log_size, __builtin_ctzll(mis));
  ArgWriter w;
  w.u64((uintptr_t)out.data);
  w.u64((uintptr_t)grad.data);
  w.u64((uintptr_t)index.data);
  w.u64((uint64_t)rows);
  w.u64((uint64_t)width);
  w.u64((uint64_t)c->par[0].i);
  w.u32((uint32_t)n);
  w.u32(0);
  const Kernel* k[2];
  for (int phase = 0; phase < 2; phase++) {
    const KernelKey key = key_of(c, 1 + phase, log_e, 0, key_bits(knobs, 1, 1, block));
    k[phase] = kernel_for(dev, key, [&] {
      const std::string t = cuda_type(out.dtype), e = ", " + std::to_string(block) + ", " + std::to_string(1 << log_e) + ">";
      const std::string acc = out.dtype == GEMS_F64 ? "double" : "float";
      return source("EmbeddingGradArgs",
                    phase ? "embedding_grad<" + t + ", " + acc + ", " + cuda_type(index.dtype) + e : "zero_table<" + t + e, block,
                    w.size());
    });
    if (!k[phase]) return GEMS_UNSUPPORTED;
  }
  const int64_t per_block = (int64_t)block << log_e;
  const int64_t zero_blocks = (rows * width + per_block - 1) / per_block, columns = (width + per_block - 1) / per_block;
  if (zero_blocks > INT32_MAX || columns > 65535) return unsupported("embedding's gradient is too large");
  const gems_status r = launch(c, k[0], (unsigned)zero_blocks, 1, 1, (unsigned)block, 0, w.data());
  if (r != GEMS_OK || n == 0) return r;
  return launch(c, k[1], (unsigned)n, (unsigned)columns, 1, (unsigned)block, 0, w.data());
}

}  // namespace

gems_status run_index(const gems_call* c) {
  if (std::strncmp(c->op->name, "nll_loss", 8) == 0) return unsupported("nll_loss: torch's kernel is one launch, too");
  for (int k = 0; k <= c->nin; k++)
    if (c->t[k].device_type != GEMS_CUDA || c->t[k].device_index != c->t[0].device_index)
      return unsupported("operands on different devices");
  for (int k = 2; k <= c->nin; k++)
    if ((c->t[k].dtype != GEMS_I64 && c->t[k].dtype != GEMS_I32) || c->t[k].dtype != c->t[2].dtype)
      return unsupported("index dtype");
  if (!dtype_is_served(c->t[0].dtype)) return unsupported("dtype");
  const Device* dev = device_of(c);
  if (!dev) return GEMS_UNSUPPORTED;
  if (c->op->par == 1) return embedding_grad(c, dev);
  const gems_iter& it = c->it;
  if (it.numel == 0) return GEMS_OK;
  if (c->t[0].dtype != c->t[1].dtype) return unsupported("result of another dtype");
  Space g;
  g.ndim = it.ndim;
  g.nops = 1 + c->nin;
  for (int d = 0; d < it.ndim; d++) g.size[d] = it.size[it.ndim - 1 - d];
  for (int k = 0; k < g.nops; k++) {
    g.memory[k] = true;
    g.slot[k] = (uint64_t)(uintptr_t)c->t[k].data;
    g.log_size[k] = kLogSize.of[c->t[k].dtype];
    for (int d = 0; d < it.ndim; d++) g.stride[k][d] = it.stride[k][it.ndim - 1 - d];
  }
  const int combine = c->npar == GEMS_MAX_PARS ? (int)c->par[7].i : -1;
  return look_up(c, dev, g, combine);
}

}  // namespace gems::cuda
