// Planner of the map family: flip, roll, pads and their gradients (kernels/simt/map.cuh).
#include <algorithm>

#include "backends/cuda/geometry.h"
#include "backends/cuda/jit.h"
#include "gems/op.h"

namespace gems::cuda {
namespace {

constexpr const char* kModes[] = {"wrap", "clamp", "reflect", "unfold"};

}  // namespace

gems_status run_map(const gems_call* c) {
  const gems_tensor &out = c->t[0], &in = c->t[1];
  const gems_iter& it = c->it;
  if (!dtype_is_served(out.dtype) || in.dtype != out.dtype) return unsupported("dtype");
  if (in.device_type != GEMS_CUDA || in.device_index != out.device_index) return unsupported("operands on different devices");
  const int mode = (int)c->par[0].i, last = it.ndim - 1;
  const bool fold = c->par[1].i != 0;
  if (fold && !dtype_is_float(out.dtype)) return unsupported("dtype of a gradient");
  const Device* dev = device_of(c);
  if (!dev) return GEMS_UNSUPPORTED;
  if (it.numel == 0) return GEMS_OK;
  int64_t reach = it.numel;  // coordinates and offsets are 32-bit; pieces of a mapped dimension wouldn't be such a dimension
  for (int k = 0; k < 2; k++) {
    int64_t far = 0;
    for (int d = 0; d < it.ndim; d++) {
      const int64_t n = k ? std::max(it.size[d], it.stride[3][d]) : it.size[d];
      far += n * std::abs(it.stride[k][d]) + (k && fold && mode == 3 ? it.stride[4][d] * it.stride[5][d] : 0);
    }
    reach = std::max(reach, far);
  }
  if (reach > INT32_MAX) return unsupported("an operand's offsets exceed 32 bits");
  const int log_size = kLogSize.of[out.dtype], dims = padded_dims(it.ndim);
  int log_e = 0;
  if (!fold && it.stride[2][last] == 0 && it.stride[3][last] == it.size[last] && it.stride[0][last] == 1 &&
      it.stride[1][last] == 1) {
    uint64_t mis = (uint64_t)it.size[last] | (uintptr_t)out.data >> log_size | (uintptr_t)in.data >> log_size;
    for (int d = 0; d < last; d++) mis |= (uint64_t)(it.stride[0][d] | it.stride[1][d]);
    log_e = std::min(4 - log_size, __builtin_ctzll(mis));
  }
  const uint64_t vectors = (uint64_t)it.numel >> log_e;
  const auto at = [&](int k, int d) { return d >= it.ndim ? 0 : it.stride[k][last - d]; };
  ArgWriter w;
  w.u64((uintptr_t)out.data);
  w.u64((uintptr_t)in.data);
  w.u32((uint32_t)vectors);
  w.u32(0);
  for (int d = 0; d < dims; d++) w.div(d >= it.ndim ? 1 : (uint64_t)it.size[last - d] >> (d ? 0 : log_e));
  for (int d = 0; d < dims; d++)
    for (int k = 0; k < 2; k++) w.i32(at(k, d) << (d ? 0 : log_e));
  for (int d = 0; d < dims; d++) w.i32(at(2, d));
  for (int d = 0; d < dims; d++) w.i32(d >= it.ndim ? 1 : at(3, d) >> (d ? 0 : log_e));
  for (int k = 4; k < 6 && fold; k++)
    for (int d = 0; d < dims; d++) w.i32(at(k, d));
  // A moving kernel serves all dtypes of a size.
  const KernelKey key = {{(uint64_t)c->op->family << 56 | (uint64_t)(fold << 24 | mode << 16 | log_e << 8 | dims),
                          (uint64_t)(fold ? 16 + out.dtype : log_size), 0}};
  const Kernel* k = kernel_for(dev, key, [&] {
    const std::string d = std::to_string(dims) + ">", type = fold ? cuda_type(out.dtype) : kBitsName[log_size];
    KernelSource src;
    src.headers = "#include \"kernels/simt/map.cuh\"\n";
    src.attributes = "__launch_bounds__(" + std::to_string(kBlock) + ")";
    src.args_type = std::string("gems::simt::") + (fold ? "FoldArgs<" : "MapArgs<") + d;
    src.body = std::string("gems::simt::") + (fold ? "fold<" : "map<") + type + ", " +
               (!fold                   ? ""
                : out.dtype == GEMS_F64 ? "double, "
                                        : "float, ") +
               "gems::simt::map_" + kModes[mode] + ", " + std::to_string(kBlock) + ", " +
               (fold ? "" : std::to_string(1 << log_e) + ", ") + d + "(a);";
    src.block = kBlock;
    src.start = KernelSource::Start::overlapping;
    src.args_size = w.size();
    return src;
  });
  if (!k) return GEMS_UNSUPPORTED;
  return launch(c, k, (unsigned)((vectors + kBlock - 1) / kBlock), 1, 1, kBlock, 0, w.data());
}

}  // namespace gems::cuda
