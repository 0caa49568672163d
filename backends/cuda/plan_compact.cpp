// Planner of the compact family: nonzero, masked_select, masked_scatter (kernels/simt/compact.cuh). par[0]: 0 marks and counts, 1 writes.
#include <algorithm>

#include "backends/cuda/geometry.h"
#include "backends/cuda/jit.h"
#include "gems/op.h"

namespace gems::cuda {
namespace {

constexpr int64_t kChunk = 4096;

const Kernel* kernel(const gems_call* c, const Device* dev, int kind, int type, int e, const std::string& args, size_t size,
                     const std::string& body) {
  const KernelKey key = {{(uint64_t)c->op->family << 56 | (uint64_t)kind << 16 | (uint64_t)e, (uint64_t)type, 0}};
  return kernel_for(dev, key, [&] {
    KernelSource src;
    src.headers = "#include \"kernels/simt/compact.cuh\"\n";
    src.attributes = "__launch_bounds__(" + std::to_string(kBlock) + ")";
    src.args_type = "gems::simt::" + args;
    src.body = "gems::simt::" + body + "(a);";
    src.block = kBlock;
    src.start = KernelSource::Start::overlapping;
    src.args_size = size;
    return src;
  });
}

gems_status mark(const gems_call* c, const Device* dev) {
  const gems_tensor& mask = c->t[1];
  const uint64_t n = (uint64_t)mask.numel, words = (uintptr_t)c->t[0].data, chunks = (n + kChunk - 1) / kChunk;
  ArgWriter w;
  w.u64((uintptr_t)mask.data);
  w.u64(words);
  w.u64(words + (n + 63) / 64 * 8);
  w.u64(n);
  const int log_size = kLogSize.of[mask.dtype];
  const uintptr_t at = (uintptr_t)mask.data >> log_size;
  const int log_e = std::min(4 - log_size, at ? __builtin_ctzll(at) : 4);
  const std::string block = std::to_string(kBlock);
  const Kernel* k = kernel(c, dev, 0, mask.dtype, log_e, "MarkArgs", w.size(),
                           std::string("mark<") + cuda_type(mask.dtype) + ", " + block + ", " + std::to_string(1 << log_e) + ">");
  const Kernel* s = k ? kernel(c, dev, 1, 0, 0, "MarkArgs", w.size(), "scan_counts<" + block + ">") : nullptr;
  if (!s) return GEMS_UNSUPPORTED;
  const gems_status r = launch(c, k, (unsigned)chunks, 1, 1, kBlock, 0, w.data());
  return r == GEMS_OK ? launch(c, s, 1, 1, 1, kBlock, 0, w.data()) : r;
}

gems_status repeat(const gems_call* c, const Device* dev) {
  const uint64_t blocks = ((uint64_t)c->t[0].numel + kBlock - 1) / kBlock;
  if (blocks > INT32_MAX) return unsupported("more blocks than a grid takes");
  ArgWriter w;
  w.u64((uintptr_t)c->t[0].data);
  w.u64((uintptr_t)c->t[1].data);
  w.u64((uint64_t)c->t[1].numel);
  w.u64((uint64_t)c->t[0].numel);
  const Kernel* k = kernel(c, dev, 5, 0, 0, "RepeatArgs", w.size(), "repeat<" + std::to_string(kBlock) + ">");
  return k ? launch(c, k, (unsigned)blocks, 1, 1, kBlock, 0, w.data()) : GEMS_UNSUPPORTED;
}

}  // namespace

gems_status run_compact(const gems_call* c) {
  for (int k = 0; k < c->nout + c->nin; k++)
    if (!dtype_is_served(c->t[k].dtype) || c->t[k].device_type != GEMS_CUDA || c->t[k].device_index != c->t[0].device_index)
      return unsupported("dtype or device of an operand");
  const bool count = c->par[0].i == 0, coordinates = c->op->name[0] == 'n', scatter = !strcmp(c->op->name, "masked_scatter");
  if (c->op->name[0] == 'r') {
    const Device* device = device_of(c);
    return device ? repeat(c, device) : GEMS_UNSUPPORTED;
  }
  const gems_tensor& whole = c->t[count ? 1 : scatter ? 0 : 2];
  if (whole.numel > INT32_MAX) return unsupported("more elements than 32 bits count");
  const Device* dev = device_of(c);
  if (!dev) return GEMS_UNSUPPORTED;
  if (whole.numel == 0) return GEMS_OK;
  if (count) return mark(c, dev);
  const uint64_t n = (uint64_t)whole.numel, words = (uintptr_t)c->t[1].data;
  const int dims = coordinates ? std::max(1, (int)whole.ndim) : 1;
  if (dims > GEMS_MAX_DIMS) return unsupported("more dimensions than kernels take");
  ArgWriter w;
  w.u64((uintptr_t)c->t[0].data);
  w.u64(words);
  w.u64(words + (n + 63) / 64 * 8);
  w.u64(coordinates ? 0 : (uintptr_t)c->t[2].data);
  w.u64(n);
  w.u64((uint64_t)c->t[2].numel);
  for (int d = 0; d < dims; d++) w.div(coordinates ? (uint64_t)whole.sizes[whole.ndim - 1 - d] : 1);
  const int log_size = kLogSize.of[c->t[0].dtype];
  const std::string block = std::to_string(kBlock), d = std::to_string(dims) + ">";
  const Kernel* k =
      kernel(c, dev,
             coordinates ? 2
             : scatter   ? 3
                         : 4,
             coordinates ? 0 : log_size, dims, "CompactArgs<" + d, w.size(),
             coordinates ? "nonzero<" + block + ", " + d
                         : std::string("masked_move<") + kBitsName[log_size] + ", " + block + (scatter ? ", true>" : ", false>"));
  if (!k) return GEMS_UNSUPPORTED;
  return launch(c, k, (unsigned)((n + kChunk - 1) / kChunk), 1, 1, kBlock, 0, w.data());
}

}  // namespace gems::cuda
