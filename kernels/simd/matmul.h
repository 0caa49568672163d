// Matrix products on the CPU: what the driver (backends/cpu/matmul.cpp, compiled once) and the kernels (compiled for each
// instruction set) share. C layout only.
#pragma once
#include <stdint.h>

// out[m, n] = alpha * a[m, k] @ b[k, n] + beta * self[m, n]: one product of a batch. Strides in elements, any value.
typedef struct gems_mm {
  const void* a;
  const void* b;
  const void* self;  // NULL: none (also when beta == 0: what it holds, NaN included, doesn't count)
  void* out;
  int64_t m, n, k;
  int64_t a_rs, a_cs, b_rs, b_cs, s_rs, s_cs, o_rs, o_cs;  // row and column strides
  double alpha, beta;
} gems_mm;

// Storage types. Integers are computed modulo 2^bits, so signedness doesn't matter and the size is the type.
enum gems_mm_type {
  GEMS_MM_F32,
  GEMS_MM_F64,
  GEMS_MM_BF16,
  GEMS_MM_F16,
  GEMS_MM_I8,
  GEMS_MM_I16,
  GEMS_MM_I32,
  GEMS_MM_I64,
  GEMS_MM_TYPES
};

// Kernels of one storage type. The compute type C is float for F32, BF16 and F16, double, uint32 for I8 to I32, uint64.
typedef struct gems_mm_kernels {
  // x[i * k + l] = a[m0 + i, l] in C, for rows [m0, m1).
  void (*widen)(const gems_mm* p, int64_t m0, int64_t m1, void* x);
  // Columns [n0, n1) of out where columns of b are contiguous (b_rs == 1: a weight of torch's linear): each output is the dot
  // product of a row of x with a column of b. x: all m rows of a in C, contiguous along k.
  void (*dot)(const gems_mm* p, const void* x, int64_t x_rs, int64_t n0, int64_t n1);
  // The same where rows of b are contiguous (b_cs == 1): out += x[:, l] * b[l, :] in registers. x in C, any strides.
  void (*outer)(const gems_mm* p, const void* x, int64_t x_rs, int64_t x_cs, int64_t n0, int64_t n1);
  // Rows [m0, m1), columns [n0, n1) of out from packed blocks, any strides; scratch of tile_scratch(m1 - m0, n1 - n0, k) bytes.
  void (*tile)(const gems_mm* p, int64_t m0, int64_t m1, int64_t n0, int64_t n1, void* scratch);
  int64_t (*tile_scratch)(int64_t m, int64_t n, int64_t k);
  // Rows [m0, m1) of out = beta * self, or 0 (k == 0).
  void (*fill)(const gems_mm* p, int64_t m0, int64_t m1);
  int32_t size;            // bytes of an element in memory
  int32_t compute_size;    // bytes of C
  int32_t widens;          // storage and compute type differ
  int32_t lanes;           // elements of C in a vector
  int32_t tile_m, tile_n;  // register tile of `tile`
} gems_mm_kernels;

typedef struct gems_matmul_table {
  gems_mm_kernels type[GEMS_MM_TYPES];
} gems_matmul_table;
