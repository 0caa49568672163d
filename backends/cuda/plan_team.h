// Shared by the planners of reduce, row and scan: a launch that is planned without touching a device.
#pragma once
#include <string>

#include "backends/cuda/geometry.h"
#include "backends/cuda/jit.h"
#include "kernels/simt/team_args.cuh"

namespace gems::cuda {

constexpr int64_t kMaxGridX = 0x7fffffff;

struct TeamPlan {
  KernelKey key;
  unsigned grid_x = 1, grid_y = 1;
  int block = 256;
  size_t args_size = 0;
  alignas(16) unsigned char args[1536];

  template <class T> T* args_as() {
    static_assert(sizeof(T) <= sizeof(args));
    args_size = sizeof(T);
    return reinterpret_cast<T*>(args);
  }
};

constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
constexpr int64_t pow2_ceil(int64_t x) {
  int64_t p = 1;
  while (p < x) p *= 2;
  return p;
}
constexpr int log2_of(int64_t pow2) {
  int n = 0;
  while (pow2 > 1) pow2 /= 2, n++;
  return n;
}

inline bool is_absent(const gems_tensor& t) { return (t.flags & GEMS_T_ABSENT) != 0; }
inline int kept_dims(const gems_call* c) { return c->it.ndim - c->it.nred; }

// Every operand in memory or absent, and few enough kept dimensions for the kernels' argument structs.
inline const char* team_refusal(const gems_call* c) {
  if (kept_dims(c) > simt::kMaxKept) return "more kept dimensions than the kernel's arguments hold";
  if (c->it.nred > simt::kMaxReduced) return "more reduced dimensions than the kernel's arguments hold";
  for (int k = 0; k < c->nout + c->nin; k++) {
    if (is_absent(c->t[k])) continue;
    if (c->t[k].flags & GEMS_T_SCALAR) return "a number where the kernel needs a tensor";
    if (!dtype_is_served(c->t[k].dtype)) return "dtype without a kernel";
  }
  return nullptr;
}

template <int NT> void fill_kept(const gems_call* c, simt::Kept<NT>* kept) {
  kept->ndim = kept_dims(c);
  kept->rows = 1;
  for (int d = 0; d < kept->ndim; d++) {
    kept->size[d] = c->it.size[d];
    kept->rows *= c->it.size[d];
    for (int k = 0; k < NT; k++) kept->stride[k][d] = is_absent(c->t[k]) ? 0 : c->it.stride[k][d];
  }
}

// May operand k be read in packs of `vec` elements along a dimension, at any index of the others (dims [0, ndim) but `along`)?
inline bool packs_fit(const gems_call* c, int k, int vec, int along) {
  const uint64_t esize = uint64_t(dtype_size(c->t[k].dtype)), bytes = vec * esize < 16 ? vec * esize : 16;
  uint64_t low = uint64_t(reinterpret_cast<uintptr_t>(c->t[k].data));  // every step's bits below the alignment (a power of two)
  for (int d = 0; d < c->it.ndim; d++)
    if (d != along && c->it.size[d] > 1) low |= uint64_t(c->it.stride[k][d]) * esize;
  return (low & (bytes - 1)) == 0;
}

inline uint8_t key_dtype(const gems_tensor& t) { return is_absent(t) ? 0xff : uint8_t(t.dtype); }
inline KernelKey team_key(const gems_call* c, uint32_t flags) {
  KernelKey key{{uint64_t(c->op->family) << 56 | uint64_t(uint32_t(c->op->id)) << 32 | flags, 0, 0}};
  for (int k = 0; k < c->nout + c->nin; k++) key.w[1 + k / 8] |= uint64_t(key_dtype(c->t[k])) << (k % 8 * 8);
  return key;
}

// ", gems::bf16, float": the template arguments of all operands; absent ones get a type that is never used.
inline std::string operand_types(const gems_call* c) {
  std::string s;
  for (int k = 0; k < c->nout + c->nin; k++) s += std::string(", ") + (is_absent(c->t[k]) ? "float" : cuda_type(c->t[k].dtype));
  return s;
}

inline KernelSource team_source(const gems_call* c, const char* skeleton, const std::string& attributes,
                                const std::string& args_type, const std::string& body, const TeamPlan& plan) {
  KernelSource src;
  src.headers = std::string("#include \"kernels/simt/") + skeleton + "\"\n#include \"" + c->op->header + "\"\n";
  src.attributes = attributes;
  src.args_type = args_type;
  src.body = body;
  src.block = plan.block;
  src.start = KernelSource::Start::overlapping;
  src.args_size = plan.args_size;
  return src;
}

}  // namespace gems::cuda
