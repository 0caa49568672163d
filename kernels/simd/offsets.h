// Tables of the index and compact families: what their drivers (compiled once) and units (for each instruction set) share. C layout only.
#pragma once
#include "kernels/simd/cells.h"

// How a scattered element meets the one that is there (par[7] of a call of the index family).
enum { GEMS_SET, GEMS_ADD, GEMS_MUL, GEMS_MIN, GEMS_MAX, GEMS_COMBINES };
enum { GEMS_IN_FLOAT = 256 };  // or'ed to ADD of 16-bit floats: sums are rounded once, or the call is unsupported

// A run with one index of 64 bits: element i belongs to table[v * step + i * table_step], v = index[i * index_step]; a negative v + wrap.
typedef struct gems_index_run {
  const int64_t* index;
  ptrdiff_t index_step, step, table_step, walked_step;
  int64_t limit, wrap;
} gems_index_run;

// kernels/simd/units/index.cpp; by log2 of the element's size, or by dtype (SET: any dtype of the size). Offsets in elements.
typedef struct gems_offsets_table {
  // dst[i] = src[at[i]]
  void (*gather32[4])(void* dst, const void* src, const int32_t* at, size_t n);
  void (*gather64[4])(void* dst, const void* src, const int64_t* at, size_t n);
  // dst[at[i]] = combine(dst[at[i]], src[from[i]]), i ascending
  void (*each[GEMS_CONVERT_DTYPES][GEMS_COMBINES])(void* dst, const void* src, const int64_t* at, const int64_t* from, size_t n);
  // dst[i] = combine(dst[i], src[i * step])
  void (*row[GEMS_CONVERT_DTYPES][GEMS_COMBINES])(void* dst, const void* src, ptrdiff_t step, size_t n);
  // walked[i * walked_step] = that element of the table, or the table's = combine(it, the walked one). 0: an index isn't in [0, limit),
  // elements in front of it are done.
  int (*pick[4])(void* walked, const void* table, const gems_index_run* r, size_t n);
  int (*put[GEMS_CONVERT_DTYPES][GEMS_COMBINES])(void* table, const void* walked, const gems_index_run* r, size_t n);
  gems_transpose_fn transpose_bytes;
  // dst[i] = src[-i]; the map family's
  void (*reverse[4])(void* dst, const void* src, size_t n);
  // acc[i * acc_step] += src[i * step]: acc of float, of double for GEMS_F64; null for integers
  void (*fold[GEMS_CONVERT_DTYPES])(void* acc, ptrdiff_t acc_step, const void* src, ptrdiff_t step, size_t n);
} gems_offsets_table;

// kernels/simd/units/compact.cpp. mark[dtype]: bit i % 64 of words[i / 64] = x[i] isn't zero; bits from n on are 0.
// positions: the numbers of the set bits, ascending; returns how many. Up to GEMS_POSITIONS_SLACK more places of `out` are written.
enum { GEMS_POSITIONS_SLACK = 16 };
typedef struct gems_compact_table {
  void (*mark[GEMS_CONVERT_DTYPES])(const void* x, uint64_t* words, size_t n);
  size_t (*positions)(const uint64_t* words, size_t count, int32_t* out);
  // out[i] = at[i] % size and at[i] /= size, at >= 0
  void (*split)(int32_t* at, int32_t size, int64_t* out, size_t n);
} gems_compact_table;
