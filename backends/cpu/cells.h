// What the CPU driver (compiled once) and the units (compiled for each instruction set) share. C layout only.
#pragma once
#include <stddef.h>

#include "gems/backend_abi.h"

typedef void (*gems_any_fn)(void);
enum { GEMS_CELL_F32, GEMS_CELL_F64, GEMS_CELL_I64, GEMS_CELL_I32, GEMS_CELL_BOOL, GEMS_CELL_TYPES };
enum { GEMS_CELL_KINDS = 4 };
// One operator in one instruction set: functions by compute type and by a kind that the family defines; null where not declared.
typedef struct gems_cpu_cells {
  gems_any_fn fn[GEMS_CELL_TYPES][GEMS_CELL_KINDS];
} gems_cpu_cells;

// pointwise, kind 0: dense blocks in the compute type; the result in the functor's result type (bool for comparisons).
typedef void (*gems_pointwise_block)(const void* const* in, void* out, size_t n, const gems_scalar* par);

// kernels/simd/units/convert.cpp: dense blocks between storage types, table[src dtype][dst dtype]; null where both are the same
// or one isn't served. `src == dst` is fine where both types have the same size.
typedef void (*gems_convert_fn)(const void* src, void* dst, size_t n);
enum { GEMS_CONVERT_DTYPES = 16 };
typedef struct gems_convert_table {
  gems_convert_fn fn[GEMS_CONVERT_DTYPES][GEMS_CONVERT_DTYPES];
} gems_convert_table;
