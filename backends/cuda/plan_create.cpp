// Planner of the create family: arange, tril, triu (kernels/simt/create.cuh).
#include <algorithm>

#include "backends/cuda/geometry.h"
#include "backends/cuda/jit.h"
#include "gems/op.h"

namespace gems::cuda {
namespace {

KernelKey key_of(const gems_call* c, int flags, int type) {
  return {{(uint64_t)c->op->family << 56 | (uint64_t)(uint32_t)c->op->id << 32 | (uint64_t)flags, (uint64_t)type, 0}};
}

KernelSource source(const std::string& args, const std::string& body, size_t args_size) {
  KernelSource src;
  src.headers = "#include \"kernels/simt/create.cuh\"\n";
  src.attributes = "__launch_bounds__(" + std::to_string(kBlock) + ")";
  src.args_type = "gems::simt::" + args;
  src.body = "gems::simt::" + body + "(a);";
  src.block = kBlock;
  src.start = KernelSource::Start::overlapping;
  src.args_size = args_size;
  return src;
}

gems_status arange(const gems_call* c, const Device* dev) {
  const gems_tensor& out = c->t[0];
  const gems_iter& it = c->it;
  if (it.numel == 0) return GEMS_OK;
  if (it.ndim != 1) return unsupported("arange into a tensor of several dimensions");
  const int log_size = kLogSize.of[out.dtype];
  const int64_t stride = it.stride[0][0];
  const uint64_t mis = (uintptr_t)out.data >> log_size;
  const int log_e = stride == 1 ? std::min(4 - log_size, mis ? __builtin_ctzll(mis) : 4) : 0;
  ArgWriter w;
  w.u64((uintptr_t)out.data);
  w.u64(number_bits(c->par[0], c->compute));
  w.u64(number_bits(c->par[1], c->compute));
  w.u64((uint64_t)it.numel);
  w.u64((uint64_t)stride);
  const KernelKey key = key_of(c, log_e << 8 | c->compute, out.dtype);
  const Kernel* k = kernel_for(dev, key, [&] {
    const char* compute = c->compute == GEMS_F64 ? "double" : c->compute == GEMS_F32 ? "float" : "gems::i64";
    return source("ArangeArgs",
                  std::string("arange<") + cuda_type(out.dtype) + ", " + compute + ", " + std::to_string(kBlock) + ", " +
                      std::to_string(1 << log_e) + ">",
                  w.size());
  });
  if (!k) return GEMS_UNSUPPORTED;
  const uint64_t per_block = (uint64_t)kBlock << log_e, blocks = ((uint64_t)it.numel + per_block - 1) / per_block;
  if (blocks > INT32_MAX) return unsupported("more blocks than a grid takes");
  return launch(c, k, (unsigned)blocks, 1, 1, kBlock, 0, w.data());
}

gems_status triangle(const gems_call* c, const Device* dev, Space& g, int64_t diagonal) {
  if (!g.fits_32_bits()) {
    Space rest;
    const int at = g.cut(rest);
    if (at < 0) return unsupported("an operand's offsets exceed 32 bits");
    const int64_t begin = g.size[at];  // of the rest along the dimension that was cut
    const gems_status r = triangle(c, dev, g, diagonal);
    return r == GEMS_OK ? triangle(c, dev, rest, at == 0 ? diagonal - begin : at == 1 ? diagonal + begin : diagonal) : r;
  }
  int log_e = 0;
  if (g.stride[0][0] == 1 && g.stride[1][0] == 1) {
    uint64_t mis = (uint64_t)g.size[0] | g.slot[0] >> g.log_size[0] | g.slot[1] >> g.log_size[0];
    for (int d = 1; d < g.ndim; d++) mis |= (uint64_t)(g.stride[0][d] | g.stride[1][d]);
    log_e = std::min(4 - g.log_size[0], __builtin_ctzll(mis));
  }
  const bool upper = !strcmp(c->op->name, "triu");
  const int dims = padded_dims(g.ndim);
  const uint64_t vectors = (uint64_t)g.numel() >> log_e;
  ArgWriter w;
  w.u64(g.slot[0]);
  w.u64(g.slot[1]);
  w.u64((uint64_t)diagonal);
  w.u32((uint32_t)vectors);
  w.u32(0);
  for (int d = 0; d < dims; d++) w.div(d >= g.ndim ? 1 : d ? (uint64_t)g.size[d] : (uint64_t)g.size[0] >> log_e);
  for (int d = 0; d < dims; d++)
    for (int k = 0; k < 2; k++) w.i32(d >= g.ndim ? 0 : d ? g.stride[k][d] : g.stride[k][0] << log_e);
  const KernelKey key = key_of(c, log_e << 8 | dims, g.log_size[0]);
  const Kernel* k = kernel_for(dev, key, [&] {
    const std::string d = std::to_string(dims);
    return source("TriangleArgs<" + d + ">",
                  std::string("triangle<") + kBitsName[g.log_size[0]] + ", " + (upper ? "true" : "false") + ", " +
                      std::to_string(kBlock) + ", " + std::to_string(1 << log_e) + ", " + d + ">",
                  w.size());
  });
  if (!k) return GEMS_UNSUPPORTED;
  return launch(c, k, (unsigned)((vectors + kBlock - 1) / kBlock), 1, 1, kBlock, 0, w.data());
}

}  // namespace

gems_status run_create(const gems_call* c) {
  const gems_tensor& out = c->t[0];
  if (!dtype_is_served(out.dtype)) return unsupported("dtype");
  const Device* dev = device_of(c);
  if (!dev) return GEMS_UNSUPPORTED;
  if (c->op->in == 0) return arange(c, dev);
  const gems_tensor& in = c->t[1];
  if (in.dtype != out.dtype || in.device_type != GEMS_CUDA || in.device_index != out.device_index)
    return unsupported("dtype or device of the input");
  if (out.numel == 0) return GEMS_OK;
  // Columns and rows stay apart, the dimensions before them merge where both tensors allow it.
  Space g;
  g.ndim = 0;
  g.nops = 2;
  for (int d = out.ndim - 1; d >= 0; d--) {
    const int at = g.ndim;
    if (at >= 2 && out.sizes[d] == 1) continue;
    if (at >= 3 && out.strides[d] == g.stride[0][at - 1] * g.size[at - 1] &&
        in.strides[d] == g.stride[1][at - 1] * g.size[at - 1]) {
      g.size[at - 1] *= out.sizes[d];
      continue;
    }
    if (at == GEMS_MAX_DIMS) return unsupported("more dimensions than kernels take");
    g.size[at] = out.sizes[d];
    g.stride[0][at] = out.strides[d];
    g.stride[1][at] = in.strides[d];
    g.ndim++;
  }
  for (int k = 0; k < 2; k++) {
    g.memory[k] = true;
    g.slot[k] = (uint64_t)(uintptr_t)c->t[k].data;
    g.log_size[k] = kLogSize.of[out.dtype];
  }
  return triangle(c, dev, g, c->par[0].i);
}

}  // namespace gems::cuda
