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

template <class T, int MN, int LAYOUT, int THREADS> struct TileOperand : TileWalk<T, MN, kTileK, LAYOUT, THREADS> {
  typedef TileWalk<T, MN, kTileK, LAYOUT, THREADS> Walk;
  using Walk::Walk, Walk::kAlong, Walk::kEach, Walk::kStep;
  static constexpr int kLine = Walk::kPacks, kBytes = MN * kTileK * 2;
  static_assert(kStep % 8 == 0, "the permutation of chunks repeats after 8 rows");
  GEMS_FN void fill(unsigned char* tile) {
    unsigned char* const to = tile + 16 * chunk_at<kLine>(this->line, this->pack);
#pragma unroll
    for (int e = 0; e < kEach; e++) {
      const int count = this->count(e), bytes = count <= 0 ? 0 : count < 8 ? 2 * count : 16;
      unsigned char* const at = to + e * kStep * kLine * 16;
      if constexpr (Walk::kAligned) copy_async16(at, bytes ? this->from(e) : this->at, bytes);
      else *reinterpret_cast<Pack16*>(at) = gather(this->from(e), this->step, count);
    }
    this->next();
  }
  // 16 rows (m or n) from mn + 16 i on by 16 k from k on, as four 8x8 matrices. K_SECOND: their order is (0,0) (mn+8,0) (0,k+8)
  // (mn+8,k+8), what the first operand of mma wants; otherwise (0,0) (0,k+8) (mn+8,0) (mn+8,k+8), two of its second operand.
  // corner() is this lane's place for i = k = 0. Steps of i and k are multiples of 16 and mn of the warp's whole share, so they touch
  // other bits of the chunk than the lane and commute with the permutation: an exclusive or, or a constant, gives the rest.
  template <bool K_SECOND> static GEMS_FN int corner(int mn) {
    const int lane = thread_x() % 32, matrix = lane / 8;
    const int mn_half = K_SECOND ? matrix % 2 : matrix / 2, k_half = K_SECOND ? matrix / 2 : matrix % 2;
    const int row = lane % 8 + (kAlong ? mn + 8 * mn_half : 8 * k_half), chunk = kAlong ? k_half : mn / 8 + mn_half;
    return 16 * chunk_at<kLine>(row, chunk);
  }
  static GEMS_FN void fragment(u32 (&r)[4], const unsigned char* tile, int corner, int i, int k) {
    const int at = kAlong ? (corner ^ 2 * k) + 16 * i * kLine * 16 : (corner ^ 32 * i) + k * kLine * 16;
    load_matrices<!kAlong>(r, tile + at);
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
  const int corner_a = TA::template corner<true>(wm), corner_b = TB::template corner<false>(wn);
  const int split = SPLIT ? p.split : 1, rank = SPLIT ? (int)cluster_rank() : 0;
  const TileAt tile = tile_at(block_x() / split, (p.m + BM - 1) / BM, (p.n + BN - 1) / BN);
  const int m0 = tile.m * BM, n0 = tile.n * BN, steps = (p.k + kTileK - 1) / kTileK;
  const int begin = (int)((i64)steps * rank / split), count = (int)((i64)steps * (rank + 1) / split) - begin;
  for (int z = (int)block_z(); z < p.batch; z += (int)grid_z()) {
    TA a(static_cast<const T*>(p.a) + z * p.a_z, p.a_m, p.a_k, m0, begin * kTileK, p.m, p.k);
    TB b(static_cast<const T*>(p.b) + z * p.b_z, p.b_n, p.b_k, n0, begin * kTileK, p.n, p.k);
    int filled = 0, fill_slot = 0, slot = 0;
    const auto fill = [&] {
      if (filled < count) {
        unsigned char* const to = smem + fill_slot * STAGE;
        a.fill(to);
        b.fill(to + TA::kBytes);
        fill_slot = fill_slot + 1 == STAGES ? 0 : fill_slot + 1;
      }
      filled++;
      copy_commit();  // an empty group too: copy_wait counts groups
    };
    float acc[MI][2 * NI][4];
#pragma unroll
    for (int i = 0; i < MI * 2 * NI * 4; i++) acc[i / (8 * NI)][i / 4 % (2 * NI)][i % 4] = 0;
#pragma unroll
    for (int s = 0; s < STAGES - 1; s++) fill();
    for (int step = 0; step < count; step++) {
      copy_wait<STAGES - 2>();
      barrier();  // this step's tiles are there for everyone, and everyone is done with the buffer that is filled next
      fill();
      const unsigned char* const ta = smem + slot * STAGE;
      const unsigned char* const tb = ta + TA::kBytes;
      slot = slot + 1 == STAGES ? 0 : slot + 1;
#pragma unroll
      for (int k = 0; k < kTileK; k += 16) {
        u32 fb[NI][4];
#pragma unroll
        for (int j = 0; j < NI; j++) TB::fragment(fb[j], tb, corner_b, j, k);
#pragma unroll
        for (int i = 0; i < MI; i++) {
          u32 fa[4];
          TA::fragment(fa, ta, corner_a, i, k);
#pragma unroll
          for (int j = 0; j < 2 * NI; j++)
            mma<T>(acc[i][j], fa[0], fa[1], fa[2], fa[3], fb[j / 2][j % 2 * 2], fb[j / 2][j % 2 * 2 + 1]);
        }
      }
    }
    copy_wait<0>();
    barrier();  // the buffers are free for partial sums and for the next of the batch
    const int g = from_here(lane / 4), t = from_here(lane % 4);
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
            const int m = m0 + wm + 16 * i + g + 8 * h, n = n0 + wn + 8 * j + 2 * t;
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
