// Tiled products of float and double without tensor cores: true float32 arithmetic, as torch has it by default. A block computes
// BM x BN of out, a thread TM x TN; the tiles are kept in shared memory with k outermost and fetched one step ahead into registers.
#pragma once
#include "kernels/simt/matmul_common.cuh"

namespace gems::simt {

// A [BK][MN] tile on its way through registers. LAYOUT: enum MatmulLayout.
template <class T, int MN, int BK, int LAYOUT, int THREADS> struct FmaOperand : TileWalk<T, MN, BK, LAYOUT, THREADS> {
  typedef TileWalk<T, MN, BK, LAYOUT, THREADS> Walk;
  using Walk::Walk, Walk::kAlong, Walk::kEach, Walk::kStep, Walk::kPack;
  static constexpr int kPitch = MN + 4;
  Pack16 r[kEach];
  GEMS_FN void fetch() {
#pragma unroll
    for (int e = 0; e < kEach; e++) {
      const int count = this->count(e);
      if constexpr (Walk::kAligned) r[e] = count > 0 ? load_again(this->from(e)) : Pack16{};  // packs are whole: the planner's duty
      else r[e] = gather(this->from(e), this->step, count);
    }
    this->next();
  }
  GEMS_FN void store(T* tile) const {
#pragma unroll
    for (int e = 0; e < kEach; e++) {
      const int line = this->line + e * kStep, at = this->pack * kPack;
      if constexpr (kAlong) {
#pragma unroll
        for (int j = 0; j < kPack; j++) tile[(at + j) * kPitch + line] = element<T>(r[e], j);
      } else {
        *reinterpret_cast<Pack16*>(tile + line * kPitch + at) = r[e];
      }
    }
  }
};

// A thread's rows (columns) are groups of one pack, BM / (TM / pack) apart: neighbouring threads read neighbouring packs.
template <class T, int TM, int MN> GEMS_FN int fma_index(int thread, int i) {
  constexpr int PACK = 16 / sizeof(T), GROUPS = TM / PACK;
  return i / PACK * (MN / GROUPS) + thread * PACK + i % PACK;
}
template <class T, int TM, int MN> GEMS_FN void fma_read(T (&r)[TM], const T* line, int thread) {
  constexpr int PACK = 16 / sizeof(T);
#pragma unroll
  for (int i = 0; i < TM; i += PACK) {
    const Pack16 v = *reinterpret_cast<const Pack16*>(line + fma_index<T, TM, MN>(thread, i));
#pragma unroll
    for (int j = 0; j < PACK; j++) r[i + j] = element<T>(v, j);
  }
}

template <class T, int BM, int BN, int BK, int TM, int TN, int LA, int LB, bool SPLIT> GEMS_FN void matmul_fma(const MatmulArgs& p) {
  constexpr int THREADS = (BM / TM) * (BN / TN);
  typedef FmaOperand<T, BM, BK, LA, THREADS> OA;
  typedef FmaOperand<T, BN, BK, LB, THREADS> OB;
  constexpr int BUFFER = BK * (OA::kPitch + OB::kPitch);
  T* const smem = reinterpret_cast<T*>(shared_memory());
  const int tm = thread_x() / (BN / TN), tn = thread_x() % (BN / TN);
  const int split = SPLIT ? p.split : 1, rank = SPLIT ? (int)cluster_rank() : 0;
  const TileAt tile = tile_at(block_x() / split, (p.m + BM - 1) / BM, (p.n + BN - 1) / BN);
  const int m0 = tile.m * BM, n0 = tile.n * BN, steps = (p.k + BK - 1) / BK;
  const int begin = (int)((i64)steps * rank / split), count = (int)((i64)steps * (rank + 1) / split) - begin;
  for (int z = (int)block_z(); z < p.batch; z += (int)grid_z()) {
    OA a(static_cast<const T*>(p.a) + z * p.a_z, p.a_m, p.a_k, m0, begin * BK, p.m, p.k);
    OB b(static_cast<const T*>(p.b) + z * p.b_z, p.b_n, p.b_k, n0, begin * BK, p.n, p.k);
    T acc[TM][TN];
#pragma unroll
    for (int i = 0; i < TM * TN; i++) acc[i / TN][i % TN] = 0;
    const auto fetch = [&] {
      a.fetch();
      b.fetch();
    };
    if (count > 0) fetch();
    for (int step = 0; step < count; step++) {
      T* const ta = smem + step % 2 * BUFFER;
      T* const tb = ta + BK * OA::kPitch;
      a.store(ta);
      b.store(tb);
      barrier();  // slower threads may still read the other buffer, but nobody this one: one barrier a step is enough
      if (step + 1 < count) fetch();
#pragma unroll
      for (int k = 0; k < BK; k++) {
        T x[TM], y[TN];
        fma_read<T, TM, BM>(x, ta + k * OA::kPitch, tm);
        fma_read<T, TN, BN>(y, tb + k * OB::kPitch, tn);
#pragma unroll
        for (int i = 0; i < TM; i++)
#pragma unroll
          for (int j = 0; j < TN; j++) acc[i][j] += x[i] * y[j];
      }
    }
    barrier();  // the buffers are free for partial sums and for the next of the batch
    const int row = from_here(tm), column = from_here(tn);
    if constexpr (SPLIT) {
      constexpr int PITCH = BN + 4;
#pragma unroll
      for (int i = 0; i < TM; i++)
#pragma unroll
        for (int j = 0; j < TN; j++) smem[fma_index<T, TM, BM>(row, i) * PITCH + fma_index<T, TN, BN>(column, j)] = acc[i][j];
      finish_cluster<T, T, BM, BN, PITCH, THREADS>(p, z, m0, n0, smem);
    } else {
#pragma unroll
      for (int i = 0; i < TM; i++)
#pragma unroll
        for (int j = 0; j < TN; j++) finish<T>(p, z, m0 + fma_index<T, TM, BM>(row, i), n0 + fma_index<T, TN, BN>(column, j), acc[i][j]);
    }
  }
}

}  // namespace gems::simt
