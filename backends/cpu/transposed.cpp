// Copies between operands that are dense in different dimensions (t().contiguous()), in tiles of whole registers.
#include "backends/cpu/block.h"

namespace gems::cpu {

namespace {

// A piece: 64 elements along the result's dense dimension and 128 along the source's, so that what streams in and what streams out are
// runs of several lines. 4096 x 4096, two cores of a Zen 5, minima: bfloat16 0.94 ms, the best of 32 to 256 each way; float 2.15 ms, where
// the best (32 by 32) took 1.97.
constexpr int64_t kPieceN = 64, kPieceRows = 128;
constexpr int64_t kGrain = 32768;  // elements a thread gets at least

// From this size on the result is stored past the cache: 4096 x 4096 float 2.15 ms against 3.2 (where
// between a cache and that size it begins to pay wasn't measured).
constexpr int64_t kStreamed = int64_t{8} << 20;

}  // namespace

bool copy_transposed(const gems_call* call) {
  const gems_iter& it = call->it;
  const gems_tensor &to = call->t[0], &from = call->t[1];
  const int size = dtype_size(to.dtype), last = it.ndim - 1;
  if (to.dtype != from.dtype || it.ndim < 2 || it.stride[0][last] != 1 || it.stride[1][last] == 1) return false;
  int dense = last - 1;
  while (dense >= 0 && it.stride[1][dense] != 1) dense--;
  if (dense < 0 || it.size[dense] < 8 || it.size[last] < 8) return false;

  const int64_t rows = it.size[dense], n = it.size[last], from_step = it.stride[1][last], to_step = it.stride[0][dense];
  const int64_t row_pieces = (rows + kPieceRows - 1) / kPieceRows, n_pieces = (n + kPieceN - 1) / kPieceN;
  bool streams = size > 1 && it.numel * size >= kStreamed && reinterpret_cast<uintptr_t>(to.data) % 64 == 0;
  for (int d = 0; d < last; d++) streams = streams && it.stride[0][d] * size % 64 == 0;
  const gems_transpose_fn transpose = transpose_fn(size, streams);
  const int64_t pieces = it.numel / (rows * n) * row_pieces * n_pieces;
  const int64_t per_piece = std::min(rows, kPieceRows) * std::min(n, kPieceN);
  auto some = [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; p++) {
      int64_t rest = p / (row_pieces * n_pieces), to_at = 0, from_at = 0;
      for (int d = last - 1; d >= 0; d--) {
        if (d == dense) continue;
        const int64_t i = rest % it.size[d];
        rest /= it.size[d];
        to_at += i * it.stride[0][d];
        from_at += i * it.stride[1][d];
      }
      const int64_t i = p % row_pieces * kPieceRows, j = p / row_pieces % n_pieces * kPieceN;
      to_at += i * to_step + j;
      from_at += j * from_step + i;
      transpose(static_cast<const char*>(from.data) + from_at * size, from_step, static_cast<char*>(to.data) + to_at * size,
                to_step, std::min(kPieceRows, rows - i), std::min(kPieceN, n - j));
    }
    if (streams) fence();
  };
  const int64_t grain = std::max<int64_t>(1, kGrain / per_piece);
  if (pieces <= grain) some(0, pieces);
  else parallel(pieces, grain, some);
  return true;
}

}  // namespace gems::cpu
