// One number a row, written along the row.
#pragma once
#include <stddef.h>

// `src`: the numbers, `step` bytes apart; `dst`: rows of n elements, one behind the other. Up to a register more is written behind them.
typedef void (*gems_splat_fn)(const char* src, ptrdiff_t step, char* dst, size_t rows, size_t n);
struct gems_splat_table {
  gems_splat_fn b1, b2, b4, b8;
};
constexpr int kSplatMore = 64;  // bytes
