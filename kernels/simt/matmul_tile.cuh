// Tiled products of 16-bit types on tensor cores (mma.sync, compute capability 8.0 and above): a block computes BM x BN of out with
// WM x WN warps; tiles of a and b arrive in a ring of STAGES shared-memory buffers through cp.async. A cluster of `split` blocks
// can share k, which keeps the machine busy when out is small.
#pragma once
#include "kernels/simt/matmul_common.cuh"

namespace gems::simt {

// One operand's tile in shared memory: rows of LINE 16-byte chunks, along k (ROWS = m or n) or across it (ROWS = k). Chunks are
// permuted within a row so that the 8 rows of an 8x8 matrix lie in different banks: a wavefront covers 128 bytes, that is 8 / LINE
// rows of short lines.
template <int LINE> GEMS_FN int chunk_at(int row, int chunk) {
  constexpr int MASK = (LINE < 8 ? LINE : 8) - 1, ROWS = LINE < 8 ? 8 / LINE : 1;
  return row * LINE + (chunk ^ (row / ROWS & MASK));
}

template <class T, int MN, int LAYOUT, int THREADS> struct TileOperand {
  static constexpr bool kAlong = LAYOUT % 2 == 0;
  static constexpr int kLine = (kAlong ? kTileK : MN) / 8, kBytes = MN * kTileK * 2;
  // base: the matrix; mn0, k0: first element of the tile; bounds in elements
  static GEMS_FN void fill(unsigned char* to, const T* base, i64 s_mn, i64 s_k, i64 mn0, i64 k0, i64 mn_end, i64 k_end) {
    constexpr int CHUNKS = MN * kTileK / 8;
#pragma unroll
    for (int first = 0; first < CHUNKS; first += THREADS) {
      const int i = first + thread_x();
      if (CHUNKS % THREADS != 0 && i >= CHUNKS) break;
      const int row = i / kLine, chunk = i % kLine;
      const i64 mn = mn0 + (kAlong ? row : 8 * chunk), k = k0 + (kAlong ? 8 * chunk : row);
      i64 count = kAlong ? k_end - k : mn_end - mn;
      if (count < 0 || (kAlong ? mn >= mn_end : k >= k_end)) count = 0;
      unsigned char* const at = to + 16 * chunk_at<kLine>(row, chunk);
      const T* const from = count ? base + mn * s_mn + k * s_k : base;
      if constexpr (LAYOUT < 2) copy_async16(at, from, 2 * (int)least(count, 8));
      else *reinterpret_cast<Pack16*>(at) = gather(from, kAlong ? s_k : s_mn, count);
    }
  }
  // 16 rows (m or n) from mn on by 16 k from k on, as four 8x8 matrices. K_SECOND: their order is (0,0) (mn+8,0) (0,k+8) (mn+8,k+8),
  // what the first operand of mma wants; otherwise (0,0) (0,k+8) (mn+8,0) (mn+8,k+8), two of its second operand.
  template <bool K_SECOND> static GEMS_FN void fragment(u32 (&r)[4], const unsigned char* from, int mn, int k) {
    const int lane = thread_x() % 32, matrix = lane / 8;
    const int mn_half = K_SECOND ? matrix % 2 : matrix / 2, k_half = K_SECOND ? matrix / 2 : matrix % 2;
    const int row = kAlong ? mn + 8 * mn_half + lane % 8 : k + 8 * k_half + lane % 8;
    const int chunk = kAlong ? k / 8 + k_half : mn / 8 + mn_half;
    load_matrices<!kAlong>(r, from + 16 * chunk_at<kLine>(row, chunk));
  }
};

// grid.x = tiles * split, grid.z = batch; LA, LB: enum MatmulLayout
template <class T, int BM, int BN, int WM, int WN, int STAGES, int LA, int LB, bool SPLIT> GEMS_FN void matmul_tile(const MatmulArgs& p) {
  constexpr int THREADS = 32 * WM * WN, MI = BM / WM / 16, NI = BN / WN / 16;
  static_assert(MI * WM * 16 == BM && NI * WN * 16 == BN);
  typedef TileOperand<T, BM, LA, THREADS> TA;
  typedef TileOperand<T, BN, LB, THREADS> TB;
  constexpr int STAGE = TA::kBytes + TB::kBytes;
  unsigned char* const smem = shared_memory();
  const int lane = thread_x() % 32, warp = thread_x() / 32, wm = warp / WN * (BM / WM), wn = warp % WN * (BN / WN);
  const int split = SPLIT ? p.split : 1, rank = SPLIT ? (int)cluster_rank() : 0;
  const TileAt tile = tile_at(block_x() / split, (p.m + BM - 1) / BM, (p.n + BN - 1) / BN);
  const i64 m0 = tile.m * BM, n0 = tile.n * BN, steps = (p.k + kTileK - 1) / kTileK;
  const i64 begin = steps * rank / split, end = steps * (rank + 1) / split;
  for (i64 z = block_z(); z < p.batch; z += grid_z()) {
    const T* const a = static_cast<const T*>(p.a) + z * p.a_z;
    const T* const b = static_cast<const T*>(p.b) + z * p.b_z;
    const auto fill = [&](i64 step) {
      if (step < end) {
        unsigned char* const to = smem + (step - begin) % STAGES * STAGE;
        TA::fill(to, a, p.a_m, p.a_k, m0, step * kTileK, p.m, p.k);
        TB::fill(to + TA::kBytes, b, p.b_n, p.b_k, n0, step * kTileK, p.n, p.k);
      }
      copy_commit();  // an empty group too: copy_wait counts groups
    };
    float acc[MI][2 * NI][4];
#pragma unroll
    for (int i = 0; i < MI * 2 * NI * 4; i++) acc[i / (8 * NI)][i / 4 % (2 * NI)][i % 4] = 0;
#pragma unroll
    for (int s = 0; s < STAGES - 1; s++) fill(begin + s);
    for (i64 step = begin; step < end; step++) {
      copy_wait<STAGES - 2>();
      barrier();  // this step's tiles are there for everyone, and everyone is done with the buffer that is filled next
      fill(step + STAGES - 1);
      const unsigned char* const ta = smem + (step - begin) % STAGES * STAGE;
      const unsigned char* const tb = ta + TA::kBytes;
#pragma unroll
      for (int k = 0; k < kTileK; k += 16) {
        u32 fa[MI][4], fb[NI][4];
#pragma unroll
        for (int i = 0; i < MI; i++) TA::template fragment<true>(fa[i], ta, wm + 16 * i, k);
#pragma unroll
        for (int j = 0; j < NI; j++) TB::template fragment<false>(fb[j], tb, wn + 16 * j, k);
#pragma unroll
        for (int i = 0; i < MI; i++)
#pragma unroll
          for (int j = 0; j < 2 * NI; j++)
            mma<T>(acc[i][j], fa[i][0], fa[i][1], fa[i][2], fa[i][3], fb[j / 2][j % 2 * 2], fb[j / 2][j % 2 * 2 + 1]);
      }
    }
    copy_wait<0>();
    barrier();  // the buffers are free for partial sums and for the next of the batch
    const int g = lane / 4, t = lane % 4;
    if constexpr (SPLIT) {
      constexpr int PITCH = BN + 4;
      float* const part = reinterpret_cast<float*>(smem);
#pragma unroll
      for (int i = 0; i < MI; i++)
#pragma unroll
        for (int j = 0; j < 2 * NI; j++)
#pragma unroll
          for (int e = 0; e < 4; e++) part[(wm + 16 * i + g + e / 2 * 8) * PITCH + wn + 8 * j + 2 * t + e % 2] = acc[i][j][e];
      finish_cluster<T, float, BM, BN, PITCH, THREADS>(p, z, m0, n0, part);
    } else {
#pragma unroll
      for (int i = 0; i < MI; i++)
#pragma unroll
        for (int j = 0; j < 2 * NI; j++)
#pragma unroll
          for (int h = 0; h < 2; h++) {
            const i64 m = m0 + wm + 16 * i + g + 8 * h, n = n0 + wn + 8 * j + 2 * t;
            const float x = acc[i][j][2 * h], y = acc[i][j][2 * h + 1];
            if (p.pair) {  // n is even and so is p.n
              if (m < p.m && n < p.n) {
                const u32 both = (u32)to<T>(finished<T>(p, z, m, n, x)).bits | (u32)to<T>(finished<T>(p, z, m, n + 1, y)).bits << 16;
                *reinterpret_cast<u32*>(static_cast<T*>(p.out) + z * p.o_z + m * p.o_m + n) = both;
              }
            } else {
              finish<T>(p, z, m, n, x);
              finish<T>(p, z, m, n + 1, y);
            }
          }
    }
  }
}

}  // namespace gems::simt
