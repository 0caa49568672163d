// What the planners of one-to-one families (pointwise, index, create) share: arguments as the units lay them out, division
// constants, and iteration spaces cut into pieces that 32-bit offsets can address.
#pragma once
#include <stdint.h>
#include <string.h>

#include <string>

#include "gems/backend_abi.h"

namespace gems::cuda {

constexpr int kBlock = 256;  // threads of a block

// log2 of the element size, by dtype; 15: not served.
constexpr struct LogSizes {
  uint8_t of[GEMS_DTYPE_COUNT];
  constexpr LogSizes() : of() {
    for (int d = 0; d < GEMS_DTYPE_COUNT; d++) of[d] = !dtype_is_served(d) ? 15 : (uint8_t)__builtin_ctz((unsigned)dtype_size(d));
  }
} kLogSize;

// kernels/simt/common.cuh, Div: n / d = (mulhi(n, mul) + n) >> shift for n < 2^31 (Granlund and Montgomery's round-up method).
struct DivConstants {
  uint32_t d, mul, shift;
};
constexpr DivConstants div_constants(uint32_t d) {
  const uint32_t shift = d <= 1 ? 0 : 32 - (uint32_t)__builtin_clz(d - 1);
  return {d, (uint32_t)((((uint64_t)1 << 32) * (((uint64_t)1 << shift) - d)) / d + 1), shift};
}

// Arguments of a kernel, written in the order of the struct's members (8-byte ones first; the unit checks the size).
class ArgWriter {
 public:
  void u64(uint64_t v) { add(v); }
  void u32(uint32_t v) { add(v); }
  void i32(int64_t v) { add((int32_t)v); }
  void div(uint64_t d) { add(div_constants((uint32_t)d)); }
  size_t size() const { return (size_ + 7) / 8 * 8; }  // every args struct holds a 64-bit member
  const void* data() const { return buf_; }

 private:
  template <class T> void add(const T& v) {
    memcpy(buf_ + size_, &v, sizeof v);
    size_ += (uint32_t)sizeof v;
  }
  alignas(16) unsigned char buf_[1024];
  uint32_t size_ = 0;
};

// An iteration space with the innermost dimension first; strides in elements, 0 and a null address for numbers.
struct Space {
  int ndim = 0, nops = 0;
  int64_t size[GEMS_MAX_DIMS];
  int64_t stride[GEMS_MAX_OPERANDS][GEMS_MAX_DIMS];
  uint64_t slot[GEMS_MAX_OPERANDS];  // address, or a number's bits
  int log_size[GEMS_MAX_OPERANDS];
  bool memory[GEMS_MAX_OPERANDS];  // false: a number

  int64_t numel() const {
    int64_t n = 1;
    for (int d = 0; d < ndim; d++) n *= size[d];
    return n;
  }
  // All indices and element offsets below 2^31.
  bool fits_32_bits() const {
    constexpr int64_t kLimit = INT32_MAX;
    if (numel() > kLimit) return false;
    for (int k = 0; k < nops; k++) {
      int64_t reach = 0;
      for (int d = 0; d < ndim; d++) reach += (size[d] - 1) * (stride[k][d] < 0 ? -stride[k][d] : stride[k][d]);
      if (reach > kLimit) return false;
    }
    return true;
  }
  // Halves of the space along the dimension that spans most; a long dimension is cut at a multiple of 256, which keeps vectors
  // possible in both parts. Returns the dimension (its size is then where `rest` begins), -1 if there is nothing to cut.
  int cut(Space& rest) {
    int at = -1;
    int64_t most = 0;
    for (int d = 0; d < ndim; d++) {
      int64_t span = size[d];
      for (int k = 0; k < nops; k++) {
        const int64_t s = (size[d] - 1) * (stride[k][d] < 0 ? -stride[k][d] : stride[k][d]);
        if (s > span) span = s;
      }
      if (size[d] > 1 && span > most) most = span, at = d;
    }
    if (at < 0) return -1;
    const int64_t half = size[at] >= 512 ? size[at] / 2 / 256 * 256 : size[at] / 2;
    rest = *this;
    rest.size[at] = size[at] - half;
    size[at] = half;
    for (int k = 0; k < nops; k++)
      if (memory[k]) rest.slot[k] += (uint64_t)(half * stride[k][at]) << log_size[k];
    return at;
  }
};

// The number of dimensions that kernels are compiled for: the next of these, the rest are padded with size 1.
constexpr int padded_dims(int n) { return n <= 4 ? (n < 1 ? 1 : n) : n <= 6 ? 6 : n <= 8 ? 8 : GEMS_MAX_DIMS; }

// The knobs of these families, 0: as ever. Planners pass a null pointer for a call without a variant: one test each, no bytes read.
//   tile    1, 2, 3: vectors of 8, 16, 32 bytes of the widest operand, as far as addresses and strides allow them
//   unroll  1 to 4: 1, 2, 4, 8 vectors in flight a thread, in every thread
//   block   1, 2, 3: 128, 256, 512 threads
struct Knobs {
  explicit Knobs(const gems_call* c)
      : of_call(gems_knobs_of(c->candidate)), set(c->candidate & GEMS_VARIANT ? &of_call : nullptr) {}
  gems_knobs of_call;
  const gems_knobs* set;
};
inline int log_vector_bytes(const gems_knobs* k) { return k && k->tile ? k->tile + 2 : 4; }
inline int unroll_of(const gems_knobs* k, int usual) { return k && k->unroll ? 1 << (k->unroll - 1) : usual; }
inline int block_of(const gems_knobs* k) { return k && k->block ? 64 << k->block : kBlock; }
// 16 bits of a key; 0 for what the heuristic has: the look-up of its kernel doesn't wait for `usual`.
inline uint64_t key_bits(const gems_knobs* k, int unroll, int usual, int block) {
  return k && (unroll != usual || block != kBlock) ? (uint64_t)(unroll << 12 | block) : 0;
}

// Vectors per block: small calls spread over the device, one vector a thread; large ones take `unroll` a thread.
inline uint32_t tile_of(uint64_t vectors, int unroll, int block, const gems_knobs* k, int sm_count) {
  return (k && k->unroll) || vectors >= (uint64_t)2 * sm_count * block * unroll ? (uint32_t)(block * unroll) : (uint32_t)block;
}

// Operators that move bits use one storage type a size: by its log2, as a dtype and in a unit.
constexpr uint8_t kBits[4] = {GEMS_U8, GEMS_I16, GEMS_I32, GEMS_I64};
constexpr const char* kBitsName[4] = {"unsigned char", "unsigned short", "unsigned int", "unsigned long long"};

// The bits of a number in a call's compute type, as simt::number<C>() reads them.
inline uint64_t number_bits(gems_scalar s, int compute) {
  if (compute == GEMS_F32) {
    const float f = (float)s.d;
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
  }
  return (uint64_t)s.i;  // F64: the double's own bits
}

}  // namespace gems::cuda
