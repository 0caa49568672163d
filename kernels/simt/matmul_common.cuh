// Shared by the kernels of the matrix products: reading operands, and what becomes of a finished sum.
#pragma once
#include "kernels/simt/matmul_args.cuh"
#include "kernels/simt/matmul_ptx.cuh"

namespace gems::simt {

// PACK elements that lie `step` apart, as one 16-byte value; those at `count` and beyond are zero.
template <class T> GEMS_FN Pack16 gather(const T* p, i64 step, i64 count) {
  constexpr int PACK = 16 / sizeof(T);
  T e[PACK];
#pragma unroll
  for (int i = 0; i < PACK; i++) e[i] = i < count ? p[i * step] : T{};
  Pack16 r;
  if constexpr (sizeof(T) == 2) {
#pragma unroll
    for (int i = 0; i < 4; i++) r.w[i] = (u32)e[2 * i].bits | (u32)e[2 * i + 1].bits << 16;
  } else if constexpr (sizeof(T) == 4) {
#pragma unroll
    for (int i = 0; i < 4; i++) r.w[i] = __builtin_bit_cast(u32, e[i]);
  } else {
#pragma unroll
    for (int i = 0; i < 2; i++) {
      const u64 u = __builtin_bit_cast(u64, e[i]);
      r.w[2 * i] = (u32)u;
      r.w[2 * i + 1] = (u32)(u >> 32);
    }
  }
  return r;
}

// Element i of a pack of float or double.
template <class A> GEMS_FN A element(const Pack16& p, int i) {
  if constexpr (sizeof(A) == 4) return __builtin_bit_cast(A, p.w[i]);
  else return __builtin_bit_cast(A, (u64)p.w[2 * i] | (u64)p.w[2 * i + 1] << 32);
}

template <class A> GEMS_FN A alpha_of(const MatmulArgs& p) {
  if constexpr (sizeof(A) == 8) return p.alpha;
  else return p.alpha_f;
}
template <class A> GEMS_FN A beta_of(const MatmulArgs& p) {
  if constexpr (sizeof(A) == 8) return p.beta;
  else return p.beta_f;
}

// alpha * sum + beta * self; a beta of 0 means that self isn't read, so its NaN don't count (as in BLAS).
template <class T, class A> GEMS_FN A finished(const MatmulArgs& p, i64 z, i64 m, i64 n, A sum) {
  const A r = alpha_of<A>(p) * sum;
  const A beta = beta_of<A>(p);
  if (beta == 0) return r;
  return r + beta * to<A>(static_cast<const T*>(p.self)[z * p.s_z + m * p.s_m + n * p.s_n]);
}
template <class T, class A> GEMS_FN void finish(const MatmulArgs& p, i64 z, i64 m, i64 n, A sum) {
  if (m < p.m && n < p.n) static_cast<T*>(p.out)[z * p.o_z + m * p.o_m + n * p.o_n] = to<T>(finished<T>(p, z, m, n, sum));
}

// The tile that a block works on. Tiles are counted in bands of 8 tile rows, down each band's columns first, so that blocks that
// run together share operands in L2.
struct TileAt {
  i64 m, n;
};
GEMS_FN TileAt tile_at(i64 index, i64 tiles_m, i64 tiles_n) {
  const i64 band = index / (8 * tiles_n), rest = index - band * 8 * tiles_n;
  const i64 height = least(8, tiles_m - band * 8);
  return {band * 8 + rest % height, rest / height};
}

// Sums a tile's partial results over the blocks of the cluster, always in the order of their ranks, and finishes it. Each
// block takes every split-th part of the tile. `part` is this block's [BM][PITCH] in shared memory, complete at the call.
template <class T, class A, int BM, int BN, int PITCH, int THREADS>
GEMS_FN void finish_cluster(const MatmulArgs& p, i64 z, i64 m0, i64 n0, const A* part) {
  cluster_barrier();
  for (int i = (int)cluster_rank() * THREADS + thread_x(); i < BM * BN; i += p.split * THREADS) {
    const int m = i / BN, n = i % BN;
    A sum = 0;
    for (int r = 0; r < p.split; r++) sum += cluster_load(part + m * PITCH + n, (u32)r);
    finish<T>(p, z, m0 + m, n0 + n, sum);
  }
  cluster_barrier();  // nobody overwrites or leaves what others still read
}

}  // namespace gems::simt
