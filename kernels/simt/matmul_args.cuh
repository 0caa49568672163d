// Arguments and shared-memory sizes of the matrix products: read by the kernels and by their planner.
#pragma once
#include "kernels/lang/base.h"

namespace gems::simt {

// out[z][m][n] = beta * self[z][m][n] + alpha * sum_k a[z][m][k] * b[z][k][n]; strides in elements, 0 where broadcast.
struct MatmulArgs {
  const void *a, *b, *self;  // self isn't touched where beta == 0
  void* out;
  i64 a_m, a_k, a_z, b_k, b_n, b_z, s_m, s_n, s_z, o_m, o_n, o_z;
  i32 m, n, k;
  i32 batch;
  double alpha, beta;
  float alpha_f, beta_f;
  i32 split;  // blocks of a cluster, which share K; 1 without a cluster
  i32 pair;   // out may be written two elements at once
};

// How an operand lies in memory. The tile in shared memory keeps its direction: bit 0 says "k isn't the contiguous one".
enum MatmulLayout {
  kAlongK = 0,   // stride 1 along k, rows aligned to 16 bytes
  kAcrossK = 1,  // stride 1 along m or n, likewise aligned
  kGatherK = 2,  // any strides, element by element; neighbouring threads go along k
  kGatherMN = 3
};

constexpr int kThinWarps = 8;
constexpr int kThinChunks = 4;  // 16-byte loads of one weight row that a thread issues at once (weights along k)

// Thin products: a has 1..8 rows, b is the large matrix ("weights"). TILE columns of b are one unit of work of a block.
GEMS_FN constexpr int thin_tile(bool along_k, int size) { return along_k ? 16 : 128 / size; }
GEMS_FN constexpr int thin_k_step(bool along_k, int size) {  // what a block takes of k at once
  return kThinWarps * (along_k ? 4 * kThinChunks * (16 / size) : 32);
}
GEMS_FN constexpr int thin_pitch(bool along_k, int size) { return thin_tile(along_k, size) + 4; }
// Two sets of the warps' partial sums (so one barrier a unit is enough) and two of the block's for its cluster.
GEMS_FN constexpr int thin_smem(bool along_k, int size, int rows, bool split) {
  return 2 * (size == 8 ? 8 : 4) * rows * (kThinWarps * thin_pitch(along_k, size) + (split ? thin_tile(along_k, size) : 0));
}

constexpr int kTileK = 64;  // of the tensor-core tiles
GEMS_FN constexpr int tile_smem(int bm, int bn, int stages, bool split) {
  const int pipeline = stages * (bm + bn) * kTileK * 2, partial = split ? bm * (bn + 4) * 4 : 0;
  return pipeline > partial ? pipeline : partial;
}
GEMS_FN constexpr int fma_smem(int bm, int bn, int bk, int size, bool split) {
  const int buffers = 2 * bk * (bm + bn + 8) * size, partial = split ? bm * (bn + 4) * size : 0;
  return buffers > partial ? buffers : partial;
}

}  // namespace gems::simt
