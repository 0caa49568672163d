// Tiled products of float and double without tensor cores: true float32 arithmetic, as torch has it by default. A block computes
// BM x BN of out, a thread TM x TN; the tiles are kept in shared memory with k outermost and fetched one step ahead into registers.
#pragma once
#include "kernels/simt/matmul_common.cuh"

namespace gems::simt {

// Fetches and stores a [kFmaTileK][MN] tile. LAYOUT: enum MatmulLayout.
template <class T, int MN, int LAYOUT, int THREADS> struct FmaOperand {
  static constexpr bool kAlong = LAYOUT % 2 == 0;
  static constexpr int kPack = 16 / sizeof(T), kPacks = MN * kFmaTileK / kPack, kEach = kPacks / THREADS;
  static constexpr int kLine = (kAlong ? kFmaTileK : MN) / kPack, kPitch = MN + 4;
  static_assert(kEach * THREADS == kPacks);
  Pack16 r[kEach];
  GEMS_FN void fetch(const T* base, i64 s_mn, i64 s_k, i64 mn0, i64 k0, i64 mn_end, i64 k_end) {
#pragma unroll
    for (int e = 0; e < kEach; e++) {
      const int i = e * THREADS + thread_x(), row = i / kLine, at = i % kLine * kPack;
      const i64 mn = mn0 + (kAlong ? row : at), k = k0 + (kAlong ? at : row);
      const i64 count = kAlong ? k_end - k : mn_end - mn;
      const T* const from = base + mn * s_mn + k * s_k;
      if (count <= 0 || (kAlong ? mn >= mn_end : k >= k_end)) r[e] = Pack16{};
      else if (LAYOUT < 2 && count >= kPack) r[e] = load_again(from);
      else r[e] = gather(from, kAlong ? s_k : s_mn, count);
    }
  }
  GEMS_FN void store(T* tile) const {
#pragma unroll
    for (int e = 0; e < kEach; e++) {
      const int i = e * THREADS + thread_x(), row = i / kLine, at = i % kLine * kPack;
      if constexpr (kAlong) {
#pragma unroll
        for (int j = 0; j < kPack; j++) tile[(at + j) * kPitch + row] = element<T>(r[e], j);
      } else {
        *reinterpret_cast<Pack16*>(tile + row * kPitch + at) = r[e];
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

template <class T, int BM, int BN, int TM, int TN, int LA, int LB, bool SPLIT> GEMS_FN void matmul_fma(const MatmulArgs& p) {
  constexpr int THREADS = (BM / TM) * (BN / TN);
  typedef FmaOperand<T, BM, LA, THREADS> OA;
  typedef FmaOperand<T, BN, LB, THREADS> OB;
  constexpr int BUFFER = kFmaTileK * (OA::kPitch + OB::kPitch);
  T* const smem = reinterpret_cast<T*>(shared_memory());
  const int tm = thread_x() / (BN / TN), tn = thread_x() % (BN / TN);
  const int split = SPLIT ? p.split : 1, rank = SPLIT ? (int)cluster_rank() : 0;
  const TileAt tile = tile_at(block_x() / split, (p.m + BM - 1) / BM, (p.n + BN - 1) / BN);
  const i64 m0 = tile.m * BM, n0 = tile.n * BN, steps = (p.k + kFmaTileK - 1) / kFmaTileK;
  const i64 begin = steps * rank / split, end = steps * (rank + 1) / split;
  for (i64 z = block_z(); z < p.batch; z += grid_z()) {
    const T* const a = static_cast<const T*>(p.a) + z * p.a_z;
    const T* const b = static_cast<const T*>(p.b) + z * p.b_z;
    OA oa;
    OB ob;
    const auto fetch = [&](i64 step) {
      oa.fetch(a, p.a_m, p.a_k, m0, step * kFmaTileK, p.m, p.k);
      ob.fetch(b, p.b_n, p.b_k, n0, step * kFmaTileK, p.n, p.k);
    };
    T acc[TM][TN];
#pragma unroll
    for (int i = 0; i < TM * TN; i++) acc[i / TN][i % TN] = 0;
    if (begin < end) fetch(begin);
    for (i64 step = begin; step < end; step++) {
      T* const ta = smem + (step - begin) % 2 * BUFFER;
      T* const tb = ta + kFmaTileK * OA::kPitch;
      oa.store(ta);
      ob.store(tb);
      barrier();  // slower threads may still read the other buffer, but nobody this one: one barrier a step is enough
      if (step + 1 < end) fetch(step + 1);
#pragma unroll
      for (int k = 0; k < kFmaTileK; k++) {
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
    if constexpr (SPLIT) {
      constexpr int PITCH = BN + 4;
#pragma unroll
      for (int i = 0; i < TM; i++)
#pragma unroll
        for (int j = 0; j < TN; j++) smem[fma_index<T, TM, BM>(tm, i) * PITCH + fma_index<T, TN, BN>(tn, j)] = acc[i][j];
      finish_cluster<T, T, BM, BN, PITCH, THREADS>(p, z, m0, n0, smem);
    } else {
#pragma unroll
      for (int i = 0; i < TM; i++)
#pragma unroll
        for (int j = 0; j < TN; j++) finish<T>(p, z, m0 + fma_index<T, TM, BM>(tm, i), n0 + fma_index<T, TN, BN>(tn, j), acc[i][j]);
    }
  }
}

}  // namespace gems::simt
