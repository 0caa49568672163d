// Planner of the random family (kernels/simt/random.cuh).
#include <algorithm>

#include "backends/cuda/geometry.h"
#include "backends/cuda/jit.h"
#include "gems/op.h"
#include "gems/random.h"

namespace gems::cuda {

gems_status run_random(const gems_call* c) {
  const gems_tensor& out = c->t[0];
  if (!dtype_is_served(out.dtype)) return unsupported("dtype");
  if (out.numel == 0) return GEMS_OK;
  const int log_size = kLogSize.of[out.dtype];
  // torch cuts what 32-bit byte offsets don't reach into parts with streams of their own.
  if (out.numel << log_size > INT32_MAX) return unsupported("random numbers into more than 2 GiB");
  const Device* dev = device_of(c);
  if (!dev) return GEMS_UNSUPPORTED;
  const bool bits = c->compute == GEMS_I64, wide = bits ? c->par[2].i != 0 : out.dtype == GEMS_F64;
  const int compute = bits ? GEMS_I64 : wide ? GEMS_F64 : GEMS_F32, unroll = wide ? 2 : 4;
  // torch's grid, which the stream depends on, and how far it moves the generator.
  const uint64_t n = (uint64_t)out.numel, most = (uint64_t)dev->sm_count * (uint64_t)(dev->threads_per_sm / kBlock);
  const uint64_t threads = kBlock * std::min(most, (n + kBlock - 1) / kBlock), blocks = (n - 1) / (threads * unroll) + 1;
  const uint64_t mis = (uintptr_t)out.data >> log_size;
  const int log_e = std::min({4 - log_size, 2, mis ? __builtin_ctzll(mis) : 2});
  uint64_t seed = 0, offset = 0;
  if (!planning_only(c)) {
    auto& s = *static_cast<gems_random_state*>(c->t[1].data);
    seed = s.seed;
    offset = s.offset;
    s.advance = 4 * blocks;
  }
  ArgWriter w;
  w.u64((uintptr_t)out.data);
  w.u64(seed);
  w.u64(offset / 4);
  for (int i = 0; i < 3; i++) w.u64(i < c->npar && !(bits && i == 2) ? number_bits(c->par[i], compute) : 0);
  const bool half_open = c->npar == 3 && !bits;  // from, to, range
  w.u64(half_open ? number_bits(c->par[0], compute) : 0);
  w.u64(half_open ? number_bits(c->par[1], compute) : 0);
  w.u32((uint32_t)n);
  w.u32((uint32_t)threads);
  const uint64_t items = blocks * (threads >> log_e);
  w.u32((uint32_t)items);
  w.u32(0);
  const KernelKey key{
      {(uint64_t)c->op->family << 56 | (uint64_t)(uint32_t)c->op->id << 32 | (uint64_t)log_e << 8 | (uint64_t)wide,
       (uint64_t)(uint8_t)out.dtype, 0}};
  const Kernel* k = kernel_for(dev, key, [&] {
    KernelSource src;
    src.headers = "#include \"kernels/simt/random.cuh\"\n#include \"" + std::string(c->op->header) + "\"\n";
    src.attributes = "__launch_bounds__(" + std::to_string(kBlock) + ")";
    src.args_type = "gems::simt::RandomArgs";
    src.body = "gems::simt::random<op::" + std::string(c->op->name) + ", " + cuda_type(out.dtype) + ", " +
               (bits   ? wide ? "gems::u64" : "gems::u32"
                : wide ? "double"
                       : "float") +
               ", " + std::to_string(unroll) + ", " + std::to_string(1 << log_e) + ">(a);";
    src.block = kBlock;
    src.start = KernelSource::Start::overlapping;
    src.args_size = w.size();
    return src;
  });
  if (!k) return GEMS_UNSUPPORTED;
  return launch(c, k, (unsigned)((items + kBlock - 1) / kBlock), 1, 1, kBlock, 0, w.data());
}

}  // namespace gems::cuda
