// Shared by the kernels of the matrix products: reading operands, and what becomes of a finished sum.
#pragma once
#include "kernels/simt/matmul_args.cuh"
#include "kernels/simt/matmul_ptx.cuh"

namespace gems::simt {

// PACK elements that lie `step` apart, as one 16-byte value; those at `count` and beyond are zero.
template <class T> GEMS_FN Pack16 gather(const T* p, i64 step, int count) {
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
template <class T, class A> GEMS_FN A finished(const MatmulArgs& p, int z, int m, int n, A sum) {
  const A r = alpha_of<A>(p) * sum;
  const A beta = beta_of<A>(p);
  if (beta == 0) return r;
  return r + beta * to<A>(static_cast<const T*>(p.self)[z * p.s_z + m * p.s_m + n * p.s_n]);
}
template <class T, class A> GEMS_FN void finish(const MatmulArgs& p, int z, int m, int n, A sum) {
  if (m < p.m && n < p.n) static_cast<T*>(p.out)[z * p.o_z + m * p.o_m + n * p.o_n] = to<T>(finished<T>(p, z, m, n, sum));
}

// The tile that a block works on. Tiles are counted in bands of 8 tile rows, down each band's columns first, so that blocks that
// run together share operands in L2.
struct TileAt {
  int m, n;
};
GEMS_FN TileAt tile_at(u32 index, u32 tiles_m, u32 tiles_n) {
  const u32 band = index / (8 * tiles_n), rest = index - band * 8 * tiles_n;
  const u32 height = tiles_m - band * 8 < 8 ? tiles_m - band * 8 : 8;
  return {(int)(band * 8 + rest % height), (int)(rest / height)};
}

// Walks a [K][MN] or [MN][K] operand tile by tile: which 16-byte packs of a tile this thread moves, and where they are. A line of
// the tile (PACKS packs) lies along the operand's contiguous direction; the thread has the same pack of every STEP-th line.
template <class T, int MN, int BK, int LAYOUT, int THREADS> struct TileWalk {
  static constexpr bool kAlong = LAYOUT % 2 == 0, kAligned = LAYOUT < 2;
  static constexpr int kPack = 16 / sizeof(T), kPacks = (kAlong ? BK : MN) / kPack, kLines = kAlong ? MN : BK;
  static constexpr int kStep = THREADS / kPacks, kEach = kLines / kStep;
  static_assert(kStep * kPacks == THREADS && kEach * kStep == kLines);
  const T* at;        // of the first line's pack
  i64 line_step;      // elements from one of this thread's lines to its next
  i64 step, forward;  // within a pack; to the next tile
  int line, pack;     // first of this thread, in the tile
  int k_left;         // k of this thread's first element to the end of the matrix
  int mn_left;        // likewise of m or n
  GEMS_FN TileWalk(const T* base, i64 s_mn, i64 s_k, int mn0, int k0, int mn_end, int k_end) {
    if (kAligned) (kAlong ? s_k : s_mn) = 1;        // also where that dimension has one element and any stride
    const u32 thread = (u32)from_here(thread_x());  // worked out again for each of a batch instead of kept in registers
    line = (int)(thread / kPacks);
    pack = (int)(thread % kPacks);
    const int mn = mn0 + (kAlong ? line : pack * kPack), k = k0 + (kAlong ? pack * kPack : line);
    at = base + mn * s_mn + k * s_k;
    line_step = kStep * (kAlong ? s_mn : s_k);
    step = kAlong ? s_k : s_mn;
    forward = BK * s_k;
    k_left = k_end - k;
    mn_left = mn_end - mn;
  }
  // Elements of pack e (of kEach) that lie within the matrix; may be negative or more than a pack.
  GEMS_FN int count(int e) const {
    const int lines = kAlong ? mn_left : k_left, along = kAlong ? k_left : mn_left;
    return e * kStep < lines ? along : 0;
  }
  GEMS_FN const T* from(int e) const { return at + e * line_step; }
  GEMS_FN void next() {
    at += forward;
    k_left -= BK;
  }
};

// Sums a tile's partial results over the blocks of the cluster, always in the order of their ranks, and finishes it. Each
// block takes every split-th part of the tile. `part` is this block's [BM][PITCH] in shared memory, complete at the call.
template <class T, class A, int BM, int BN, int PITCH, int THREADS>
GEMS_FN void finish_cluster(const MatmulArgs& p, int z, int m0, int n0, const A* part) {
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
