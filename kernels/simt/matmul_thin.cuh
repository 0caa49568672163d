// Products with at most 8 rows in a (decoding: one row a sequence), bound by the memory rate at which b, the weights, arrive.
//
// Weights go from global memory straight into registers, 16 bytes a load and kThinWarps * 32 * 8 loads of a block in flight while
// the 8 before are worked on: two blocks keep 64 to 128 KB a multiprocessor under way, where 4.5 TB/s times 0.7 us over 132
// multiprocessors (H200) asks for 24 KB. A block takes tiles of columns, its warps split k, and what one tile leaves is summed in
// shared memory while the loads of the next are on their way. Where tiles are too few for the machine a cluster of blocks splits
// k further and sums through distributed shared memory. All sums have a fixed order.
//
// Order of k: a product doesn't care which k comes first as long as a and b agree. So a thread feeds the tensor core with the 8
// neighbours that one 16-byte load gave it, as if they were k = 2t, 2t + 1, 2t + 8, 2t + 9 of two steps of 16.
#pragma once
#include "kernels/simt/matmul_common.cuh"

namespace gems::simt {

// 16 bytes of row r of a from k on; zero beyond the matrix.
template <class T, bool ALONG> GEMS_FN Pack16 thin_row(const MatmulArgs& p, const T* a, int r, int k) {
  if (r >= p.m || k >= p.k) return Pack16{};
  if constexpr (ALONG) return load_again(a + r * p.a_m + k);
  else return gather(a + r * p.a_m + k * p.a_k, p.a_k, p.k - k);
}

// ---- one step of a warp: what it loads (Stage), multiplies (use) and leaves to its block (deposit) ----

// 16-bit weights along k: 16 columns of b are the rows of the tensor core's first operand.
template <class T, bool A_ALONG> struct ThinTensorAlongK {
  typedef float A;
  static constexpr bool kAlongK = true;
  static constexpr int kRows = 8;
  struct Stage {
    Pack16 w[2][kThinChunks], x[kThinChunks];
  };
  float acc[4];
  GEMS_FN void clear() {
#pragma unroll
    for (int i = 0; i < 4; i++) acc[i] = 0;
  }
  static GEMS_FN void load(Stage& s, const MatmulArgs& p, const T* a, const T* b, int n0, int k0, int warp, int lane) {
    const int g = lane / 4, t = lane % 4;
    const int k = k0 + warp * 32 * kThinChunks + 8 * t;
    const T* const at = b + (n0 + g) * p.b_n + k;
    const bool row0 = n0 + g < p.n, row1 = n0 + g + 8 < p.n;
#pragma unroll
    for (int c = 0; c < kThinChunks; c++) {
      const bool in = k + 32 * c < p.k;
      s.w[0][c] = in && row0 ? load_once(at + 32 * c) : Pack16{};
      s.w[1][c] = in && row1 ? load_once(at + 8 * p.b_n + 32 * c) : Pack16{};
    }
#pragma unroll
    for (int c = 0; c < kThinChunks; c++) s.x[c] = thin_row<T, A_ALONG>(p, a, g, k + 32 * c);
  }
  GEMS_FN void use(const Stage& s, const MatmulArgs&, const T*, int, int, int) {
#pragma unroll
    for (int c = 0; c < kThinChunks; c++) {
      const u32 *w0 = s.w[0][c].w, *w1 = s.w[1][c].w, *x = s.x[c].w;
      mma<T>(acc, w0[0], w1[0], w0[1], w1[1], x[0], x[1]);
      mma<T>(acc, w0[2], w1[2], w0[3], w1[3], x[2], x[3]);
    }
  }
  GEMS_FN void deposit(float* to, int lane) {
    constexpr int P = thin_pitch(true, 2);
    const int g = lane / 4, t = lane % 4;
    to[2 * t * P + g] = acc[0];
    to[(2 * t + 1) * P + g] = acc[1];
    to[2 * t * P + g + 8] = acc[2];
    to[(2 * t + 1) * P + g + 8] = acc[3];
  }
};

// 16-bit weights along n: a thread loads 8 neighbouring columns of 8 rows; pairs of rows are interleaved into pairs along k.
// Columns 8g + 2q and 8g + 2q + 1 are rows g and g + 8 of the tensor core's first operand in product q.
template <class T, bool A_ALONG> struct ThinTensorAlongN {
  typedef float A;
  static constexpr bool kAlongK = false;
  static constexpr int kRows = 8;
  struct Stage {
    Pack16 w[8], x;
  };
  float acc[4][4];
  GEMS_FN void clear() {
#pragma unroll
    for (int i = 0; i < 16; i++) acc[i / 4][i % 4] = 0;
  }
  static GEMS_FN void load(Stage& s, const MatmulArgs& p, const T* a, const T* b, int n0, int k0, int warp, int lane) {
    const int g = lane / 4, t = lane % 4;
    const int k = k0 + warp * 32 + 8 * t, n = n0 + 8 * g;
    const T* const at = b + k * p.b_k + n;
#pragma unroll
    for (int c = 0; c < 8; c++) s.w[c] = k + c < p.k && n < p.n ? load_once(at + c * p.b_k) : Pack16{};
    s.x = thin_row<T, A_ALONG>(p, a, g, k);
  }
  GEMS_FN void use(const Stage& s, const MatmulArgs&, const T*, int, int, int) {
    constexpr u32 LOW = 0x5410, HIGH = 0x7632;
#pragma unroll
    for (int q = 0; q < 4; q++)
#pragma unroll
      for (int h = 0; h < 2; h++) {
        const u32 w0 = s.w[4 * h].w[q], w1 = s.w[4 * h + 1].w[q], w2 = s.w[4 * h + 2].w[q], w3 = s.w[4 * h + 3].w[q];
        mma<T>(acc[q], permute(w0, w1, LOW), permute(w0, w1, HIGH), permute(w2, w3, LOW), permute(w2, w3, HIGH), s.x.w[2 * h],
               s.x.w[2 * h + 1]);
      }
  }
  GEMS_FN void deposit(float* to, int lane) {
    constexpr int P = thin_pitch(false, 2);
    const int g = lane / 4, t = lane % 4;
#pragma unroll
    for (int q = 0; q < 4; q++)
#pragma unroll
      for (int i = 0; i < 4; i++) to[(2 * t + i % 2) * P + 8 * g + 2 * q + i / 2] = acc[q][i];
  }
};

// float and double, weights along k: a thread has columns g and g + 8; the four threads of a column are summed at the end.
template <class T, int ROWS, bool A_ALONG> struct ThinFmaAlongK {
  typedef T A;
  static constexpr bool kAlongK = true;
  static constexpr int kRows = ROWS, kPack = 16 / sizeof(T);
  struct Stage {
    Pack16 w[2][kThinChunks];
  };
  T acc[ROWS][2];
  GEMS_FN void clear() {
#pragma unroll
    for (int r = 0; r < ROWS; r++) acc[r][0] = acc[r][1] = 0;
  }
  static GEMS_FN int first_k(int k0, int warp, int lane) { return k0 + (warp * 4 * kThinChunks + lane % 4) * kPack; }
  static GEMS_FN void load(Stage& s, const MatmulArgs& p, const T*, const T* b, int n0, int k0, int warp, int lane) {
    const int k = first_k(k0, warp, lane), n = n0 + lane / 4;
    const T* const at = b + n * p.b_n + k;
#pragma unroll
    for (int c = 0; c < kThinChunks; c++) {
      const bool in = k + 4 * kPack * c < p.k;
      s.w[0][c] = in && n < p.n ? load_once(at + 4 * kPack * c) : Pack16{};
      s.w[1][c] = in && n + 8 < p.n ? load_once(at + 8 * p.b_n + 4 * kPack * c) : Pack16{};
    }
  }
  GEMS_FN void use(const Stage& s, const MatmulArgs& p, const T* a, int k0, int warp, int lane) {
    const int k = first_k(k0, warp, lane);
#pragma unroll
    for (int c = 0; c < kThinChunks; c++)
#pragma unroll
      for (int r = 0; r < ROWS; r++) {
        const Pack16 x = thin_row<T, A_ALONG>(p, a, r, k + 4 * kPack * c);
#pragma unroll
        for (int j = 0; j < 2; j++)
#pragma unroll
          for (int i = 0; i < kPack; i++) acc[r][j] += element<T>(x, i) * element<T>(s.w[j][c], i);
      }
  }
  GEMS_FN void deposit(T* to, int lane) {
    constexpr int P = thin_pitch(true, sizeof(T));
#pragma unroll
    for (int r = 0; r < ROWS; r++)
#pragma unroll
      for (int j = 0; j < 2; j++) {
        T v = acc[r][j];
        v += shuffle_xor(v, 1);
        v += shuffle_xor(v, 2);
        if (lane % 4 == 0) to[r * P + 8 * j + lane / 4] = v;
      }
  }
};

// float and double, weights along n: a thread has kPack columns and 8 of its warp's 32 rows.
template <class T, int ROWS, bool A_ALONG> struct ThinFmaAlongN {
  typedef T A;
  static constexpr bool kAlongK = false;
  static constexpr int kRows = ROWS, kPack = 16 / sizeof(T);
  struct Stage {
    Pack16 w[8];
  };
  T acc[ROWS][kPack];
  GEMS_FN void clear() {
#pragma unroll
    for (int r = 0; r < ROWS; r++)
#pragma unroll
      for (int i = 0; i < kPack; i++) acc[r][i] = 0;
  }
  static GEMS_FN void load(Stage& s, const MatmulArgs& p, const T*, const T* b, int n0, int k0, int warp, int lane) {
    const int k = k0 + warp * 32 + 8 * (lane % 4), n = n0 + kPack * (lane / 4);
    const T* const at = b + k * p.b_k + n;
#pragma unroll
    for (int c = 0; c < 8; c++) s.w[c] = k + c < p.k && n < p.n ? load_once(at + c * p.b_k) : Pack16{};
  }
  GEMS_FN void use(const Stage& s, const MatmulArgs& p, const T* a, int k0, int warp, int lane) {
    const int k = k0 + warp * 32 + 8 * (lane % 4);
#pragma unroll
    for (int c = 0; c < 8; c += kPack)
#pragma unroll
      for (int r = 0; r < ROWS; r++) {
        const Pack16 x = thin_row<T, A_ALONG>(p, a, r, k + c);
#pragma unroll
        for (int d = 0; d < kPack; d++)
#pragma unroll
          for (int i = 0; i < kPack; i++) acc[r][i] += element<T>(x, d) * element<T>(s.w[c + d], i);
      }
  }
  GEMS_FN void deposit(T* to, int lane) {
    constexpr int P = thin_pitch(false, sizeof(T));
#pragma unroll
    for (int r = 0; r < ROWS; r++)
#pragma unroll
      for (int i = 0; i < kPack; i++) {
        T v = acc[r][i];
        v += shuffle_xor(v, 1);
        v += shuffle_xor(v, 2);
        if (lane % 4 == 0) to[r * P + kPack * (lane / 4) + i] = v;
      }
  }
};

// ---- the pipeline ----

// grid.x = units that run at once * split, grid.z = batch. Every block of a cluster has at least one step of k (the planner's
// duty).
template <class T, class F, bool SPLIT> GEMS_FN void matmul_thin(const MatmulArgs& p) {
  typedef typename F::A A;
  constexpr int SIZE = sizeof(T), ROWS = F::kRows, THREADS = 32 * kThinWarps;
  constexpr int TILE = thin_tile(F::kAlongK, SIZE), PITCH = thin_pitch(F::kAlongK, SIZE), STEP = thin_k_step(F::kAlongK, SIZE);
  A* const sums = reinterpret_cast<A*>(shared_memory());
  A* const parts = sums + 2 * kThinWarps * ROWS * PITCH;
  const int thread = thread_x(), lane = thread % 32, warp = thread / 32;
  const int split = SPLIT ? p.split : 1, rank = SPLIT ? (int)cluster_rank() : 0;
  const int units = (p.n + TILE - 1) / TILE, stride = (int)grid_x() / split, steps = (p.k + STEP - 1) / STEP;
  const int begin = steps * rank / split * STEP, end = steps * (rank + 1) / split * STEP;
  int parity = 0;
  for (int z = (int)block_z(); z < p.batch; z += (int)grid_z()) {
    const T* const a = static_cast<const T*>(p.a) + z * p.a_z;
    const T* const b = static_cast<const T*>(p.b) + z * p.b_z;
    F f;
    f.clear();
    int unit = (int)block_x() / split, k = begin;  // of the stage that is worked on next
    int load_unit = unit, load_k = begin;          // of the stage that is loaded next
    const auto load = [&](typename F::Stage& s) {
      if (load_unit >= units) return;
      F::load(s, p, a, b, load_unit * TILE, load_k, warp, lane);
      load_k += STEP;
      if (load_k >= end) load_k = begin, load_unit += stride;
    };
    const auto use = [&](const typename F::Stage& s) {
      f.use(s, p, a, k, warp, lane);
      k += STEP;
      if (k < end) return;
      k = begin;
      A* const mine = sums + parity * kThinWarps * ROWS * PITCH;
      A* const part = parts + parity * ROWS * TILE;
      parity ^= 1;  // the other set is free: all threads have passed the barrier after its last use
      f.deposit(mine + warp * ROWS * PITCH, lane);
      f.clear();
      barrier();
      const int outputs = (int)p.m * TILE;
      for (int i = thread; i < outputs; i += THREADS) {
        const int r = i / TILE, n = i % TILE;
        A sum = 0;
#pragma unroll
        for (int w = 0; w < kThinWarps; w++) sum += mine[(w * ROWS + r) * PITCH + n];
        if constexpr (SPLIT) part[i] = sum;
        else finish<T>(p, z, r, unit * TILE + n, sum);
      }
      if constexpr (SPLIT) {
        cluster_barrier();
        for (int i = rank * THREADS + thread; i < outputs; i += split * THREADS) {
          A sum = 0;
          for (int r = 0; r < split; r++) sum += cluster_load(part + i, (u32)r);
          finish<T>(p, z, i / TILE, unit * TILE + i % TILE, sum);
        }
      }
      unit += stride;
    };
    typename F::Stage even, odd;
    load(even);
    while (unit < units) {
      load(odd);
      use(even);
      if (unit >= units) break;
      load(even);
      use(odd);
    }
  }
  if constexpr (SPLIT) cluster_barrier();  // others may still read this block's parts
}

}  // namespace gems::simt
