// Transposition of matrices of 2, 4 and 8-byte elements, for one instruction set: rows across a dense dimension (softmax over dim 0),
// transposed copies.
// Whole registers in, whole registers out: a loop over elements runs into one cache set when the strides are powers of two
// (4096 x 4096 float: 1.4 ns an element).
#include "kernels/simd/unit_prologue.h"
namespace {
#include "kernels/lang/base.h"
#include "kernels/simd/lanes.h"

#if defined(__GNUC__) && !defined(__clang__)
// Perfect shuffles: after log2(L) rounds of interleaving row i with row i + L/2 the tile is transposed.
template <class T, int L, int Round> GEMS_FN void interleave(register_of<T> (&v)[L]) {
  if constexpr (Round < L) {
    register_of<T> low, high, w[L];
#pragma GCC unroll 64
    for (int l = 0; l < L; l++) {
      low[l] = (T)(l / 2 + (l % 2) * L);
      high[l] = (T)(L / 2 + l / 2 + (l % 2) * L);
    }
#pragma GCC unroll 64
    for (int i = 0; i < L / 2; i++) {
      w[2 * i] = __builtin_shuffle(v[i], v[i + L / 2], low);
      w[2 * i + 1] = __builtin_shuffle(v[i], v[i + L / 2], high);
    }
#pragma GCC unroll 64
    for (int i = 0; i < L; i++) v[i] = w[i];
    interleave<T, L, Round * 2>(v);
  }
}
template <class T, bool Streams> GEMS_FN void tile(const T* src, ptrdiff_t src_step, T* dst, ptrdiff_t dst_step) {
  constexpr int L = kLanes<T>;
  register_of<T> v[L];
#pragma GCC unroll 64
  for (int i = 0; i < L; i++) __builtin_memcpy(&v[i], src + i * src_step, sizeof v[i]);
  interleave<T, L, 1>(v);
#pragma GCC unroll 64
  for (int i = 0; i < L; i++) {
    if constexpr (Streams) store_past(dst + i * dst_step, v[i]);
    else __builtin_memcpy(dst + i * dst_step, &v[i], sizeof v[i]);
  }
}
#else
template <class T, bool Streams> GEMS_FN void tile(const T* src, ptrdiff_t src_step, T* dst, ptrdiff_t dst_step) {
  constexpr int L = kLanes<T>;
  for (int i = 0; i < L; i++)
    for (int j = 0; j < L; j++) dst[i * dst_step + j] = src[j * src_step + i];
}
#endif

template <class T, bool Streams> __attribute__((flatten)) void transpose(const void* src_, ptrdiff_t src_step, void* dst_,
                                                                         ptrdiff_t dst_step, size_t rows, size_t n) {
  constexpr size_t L = kLanes<T>;
  const T* src = (const T*)src_;
  T* dst = (T*)dst_;
  const size_t whole_rows = rows / L * L, whole_n = n / L * L;
  if constexpr (Streams) {  // neighbours in a row of the result follow each other: it leaves in runs longer than a line
    for (size_t i = 0; i < whole_rows; i += L)
      for (size_t j = 0; j < whole_n; j += L) tile<T, true>(src + j * src_step + i, src_step, dst + i * dst_step + j, dst_step);
  } else {
    for (size_t j = 0; j < whole_n; j += L)
      for (size_t i = 0; i < whole_rows; i += L)
        tile<T, false>(src + j * src_step + i, src_step, dst + i * dst_step + j, dst_step);
  }
  for (size_t j = 0; j < n; j++)
    for (size_t i = j < whole_n ? whole_rows : 0; i < rows; i++) dst[i * dst_step + j] = src[j * src_step + i];
}
template <bool Streams>
constexpr gems_transpose_table table = {transpose<short, Streams>, transpose<int, Streams>, transpose<gems::i64, Streams>};
}  // namespace

extern "C" const gems_transpose_table GEMS_CAT(gems_transpose, _, GEMS_ISA)[2];
const gems_transpose_table GEMS_CAT(gems_transpose, _, GEMS_ISA)[2] = {table<false>, table<true>};
