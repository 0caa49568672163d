// What the CPU driver (compiled once) and the units (compiled for each instruction set) share. C layout only.
#pragma once
#include <stddef.h>

#include "gems/backend_abi.h"

typedef void (*gems_any_fn)(void);
enum { GEMS_CELL_F32, GEMS_CELL_F64, GEMS_CELL_I64, GEMS_CELL_I32, GEMS_CELL_BOOL, GEMS_CELL_TYPES };
enum { GEMS_CELL_KINDS = 5 };
// One operator in one instruction set: functions by compute type and by a kind that the family defines; null where not declared.
typedef struct gems_cpu_cells {
  gems_any_fn fn[GEMS_CELL_TYPES][GEMS_CELL_KINDS];
} gems_cpu_cells;

// kernels/simd/units/convert.cpp: dense blocks between storage types, table[src dtype][dst dtype]; null where both are the same
// or one isn't served. `src == dst` is fine where both types have the same size.
typedef void (*gems_convert_fn)(const void* src, void* dst, size_t n);
enum { GEMS_CONVERT_DTYPES = 16 };
typedef struct gems_convert_table {
  gems_convert_fn fn[GEMS_CONVERT_DTYPES][GEMS_CONVERT_DTYPES];
} gems_convert_table;

// pointwise, kind 0: dense blocks in the compute type; the result in the functor's result type (bool for comparisons). Kind 1 of the F32
// cell: operands, and a result that isn't bool, are bfloat16. Null, or the
// error that an element asks for ("ZeroDivisionError"): then some of the result may be written.
typedef const char* (*gems_pointwise_block)(const void* const* in, void* out, size_t n, const gems_scalar* par);

// reduce. Accumulator slots: one a declared output in the compute type A, or with an index: slot 0 the value (A), slot 1 the index (int64).
// The truth cell (GEMS_CELL_BOOL; any, all) works on bytes 0 and 1.
//   INNER: acc[s][r] = fold of row r, in[k] + r * row_step[k], n dense elements;  OUTER: acc[s][j] = fold of column j over `rows` rows of
//   n dense elements. Both start from the identity; with an index positions count from `base`. row_step in elements.
//   COMBINE: acc[s][j] = combine(acc[s][j], x[s][j]), acc before x.  FINISH (null with an index): acc[s][j] = finish(acc[s][j], count).
//   INNER_BF16 (null where there is none): INNER in float on rows of bfloat16.
// ABSENT outputs have their slots too.
enum { GEMS_REDUCE_INNER, GEMS_REDUCE_OUTER, GEMS_REDUCE_COMBINE, GEMS_REDUCE_FINISH, GEMS_REDUCE_INNER_BF16 };
enum { GEMS_REDUCE_TILE = 1024 };  // most columns of one OUTER call
typedef void (*gems_reduce_leaf)(const void* const* in, const ptrdiff_t* row_step, size_t rows, size_t n, int64_t base,
                                 void* const* acc);
typedef void (*gems_reduce_combine)(void* const* acc, const void* const* x, size_t n);
typedef void (*gems_reduce_finish)(void* const* acc, size_t n, double count);

// row, kind 0: `rows` rows of n elements. Inputs are dense in the compute type, outputs dense in their own dtype; steps lead from one row
// to the next, in bytes. Statistics (role s) are one value of the compute type a row. Null: ABSENT.
typedef struct gems_row_args {
  const void* in[GEMS_MAX_OPERANDS];
  void* out[GEMS_MAX_OPERANDS];
  ptrdiff_t in_step[GEMS_MAX_OPERANDS], out_step[GEMS_MAX_OPERANDS];
  void* cache[GEMS_MAX_OPERANDS];            // of input k (role r): room for one row, for values that replace it
  gems_convert_fn store[GEMS_MAX_OPERANDS];  // from the compute type to output o's dtype and back; null where they are the same
  gems_convert_fn load[GEMS_MAX_OPERANDS];
  int out_size[GEMS_MAX_OPERANDS];  // bytes of an element of output o
  size_t rows, n;
  const gems_scalar* par;
} gems_row_args;
typedef void (*gems_row_fn)(const gems_row_args* args);

// scan. The carry is kept in W: double for float32, else the compute type. Steps in elements; out may be in.
//   INNER: each of `rows` rows of n elements, carry[r];  OUTER: down the columns of `rows` rows, carry[j]. Both update the carry.
//   TOTAL: carry[r] = combine(carry[r], all of row r), nothing stored.
//   CARRY: with rows = 0 carry[j] = identity, with rows = 1 carry[j] = combine(carry[j], in[j]), `in` of type W.
enum { GEMS_SCAN_INNER, GEMS_SCAN_OUTER, GEMS_SCAN_TOTAL, GEMS_SCAN_CARRY };
typedef void (*gems_scan_fn)(const void* in, ptrdiff_t in_step, void* out, ptrdiff_t out_step, size_t rows, size_t n,
                             void* carry);

// random: values of n elements from words of the generator (kernels/simd/random.h), in the compute type. UNIFORM in float takes a word an
// element, in double two; NORMAL (n a multiple of 16) as many; PAIRS (n even) two words each; BITS: the I32 cell a word, the I64 cell two.
enum { GEMS_RANDOM_UNIFORM, GEMS_RANDOM_NORMAL, GEMS_RANDOM_PAIRS, GEMS_RANDOM_BITS };
typedef void (*gems_random_fn)(const uint32_t* words, void* out, size_t n, const gems_scalar* par);

// kernels/simd/units/generator.cpp. twist: y[i + 624], i < n, of mt19937's recurrence from the 624 words in front. temper: its output
// function. philox: n words (a multiple of 64) of the stream (seed, sequence 0) from block `counter` on.
typedef struct gems_generator_table {
  void (*twist)(uint32_t* y, size_t n);
  void (*temper)(const uint32_t* y, uint32_t* out, size_t n);
  void (*philox)(uint64_t seed, uint64_t counter, uint32_t* out, size_t n);
} gems_generator_table;

// kernels/simd/units/accumulate.cpp: acc[i] += x[i] on dense blocks.
typedef struct gems_accumulate_table {
  void (*f32)(float* acc, const float* x, size_t n);
  void (*f64)(double* acc, const double* x, size_t n);
} gems_accumulate_table;

// kernels/simd/units/move.cpp: n bytes through the cache, or past it (a fence is the caller's).
typedef struct gems_move_table {
  void (*copy)(const void* src, void* dst, size_t n);
  void (*stream)(const void* src, void* dst, size_t n);
  void (*fill)(uint64_t pattern, void* dst, size_t n, int past);
} gems_move_table;

// kernels/simd/units/transpose.cpp: dst[i * dst_step + j] = src[j * src_step + i] for i < rows, j < n; elements of 2, 4 and 8 bytes.
// Two tables: [0] for any addresses; [1] stores past the cache, dst and its rows aligned to 64 bytes, a fence is the caller's.
typedef void (*gems_transpose_fn)(const void* src, ptrdiff_t src_step, void* dst, ptrdiff_t dst_step, size_t rows, size_t n);
typedef struct gems_transpose_table {
  gems_transpose_fn b2, b4, b8;
} gems_transpose_table;

// kernels/simd/units/sort.cpp: unsigned keys in torch's order of the values, bare or packed with an index (kernels/simd/sort.h).
typedef struct gems_key_table {  // of one dtype
  int wide, has_nan;             // 64-bit keys; NaN has the greatest key, all ones in the bytes of the dtype
  // n dense elements to keys, descending: complemented; packed: with the indices from `first` on
  void (*keys)(const void* in, size_t n, uint64_t first, int descending, void* out);
  void (*pack)(const void* in, size_t n, uint64_t first, int descending, void* out);
  // back to values and indices (null: not wanted); `in`: the elements, of which index 0 is the first
  void (*values)(const void* keys, size_t n, const void* in, int descending, void* values, int64_t* indices);
  void (*unpack)(const void* packed, size_t n, const void* in, int descending, void* values, int64_t* indices);
  void (*running)(const void* in, size_t n, int least, void* values, int64_t* indices);  // cummax, cummin of dense elements
} gems_key_table;
typedef struct gems_order_table {  // of elements of `size` bytes
  size_t size;
  void* (*sort)(void* a, void* b, size_t n);  // returns a or b: where the result is
  void (*bits)(const void* a, size_t n, uint64_t* ors, uint64_t* ands);
  void (*histogram)(const void* a, size_t n, int shift, uint32_t mask, uint32_t* counts);
  void (*scatter)(const void* a, size_t n, int shift, uint32_t mask, uint32_t* to, void* b);
  size_t (*heads)(const void* sorted, size_t begin, size_t end, int has_apart, uint64_t apart);
  void (*runs)(const void* sorted, size_t begin, size_t end, int has_apart, uint64_t apart, size_t rank, void* keys,
               int64_t* starts, int64_t* inverse);
  // bare keys only
  uint64_t (*nth)(const void* keys, size_t n, size_t k, void* tmp, size_t* rank);
  size_t (*count)(const void* keys, size_t n, uint64_t value);
  size_t (*find)(const void* keys, size_t n, uint64_t value, size_t rank);
  size_t (*least)(const void* keys, size_t n, size_t k, void* tmp, uint64_t first, void* packed);
  void (*range)(const void* keys, size_t n, uint64_t* lo, uint64_t* hi);
  void (*tally)(const void* keys, size_t n, uint64_t lo, int64_t* counts);
  void (*map)(const void* keys, size_t n, uint64_t lo, const int64_t* table, int64_t* out);
  void (*member)(const void* keys, size_t n, uint64_t lo, uint64_t size, const uint8_t* table, int invert, uint8_t* out);
  void (*insert)(const void* keys, size_t n, void* slots, size_t mask, uint64_t none);
  void (*contains)(const void* keys, size_t n, const void* slots, size_t mask, uint64_t none, int invert, uint8_t* out);
} gems_order_table;
typedef struct gems_sort_table {
  gems_key_table keys[GEMS_CONVERT_DTYPES];
  gems_order_table order[2][2];  // [wide][packed]
} gems_sort_table;

// kernels/simd/units/search.cpp, by dtype: how many of m sorted bounds lie before each of n values (right: or equal it), as torch's search
// goes through NaN and unsorted bounds. sorter (may be null): the order of the bounds. out: int64, or int32 if narrow.
typedef void (*gems_search_fn)(const void* bounds, const int64_t* sorter, size_t m, const void* values, size_t n, int right,
                               void* out, int narrow);
typedef struct gems_search_table {
  gems_search_fn fn[GEMS_CONVERT_DTYPES];
  // elements of 1, 2, 4, 8 bytes whose flag is 1, and their positions from `first` on; returns how many
  size_t (*pick[4])(const void* in, const uint8_t* flags, size_t n, void* out);
  size_t (*positions)(const uint8_t* flags, size_t n, int64_t first, int64_t* out);
  size_t (*count)(const uint8_t* flags, size_t n);
} gems_search_table;
