// Shared by the skeletons that combine values across threads (reduce, row, scan): vectors of storage types, kept-dimension
// offsets, and teams: the threads that work on one row or one output.
#pragma once
#include "kernels/simt/common.cuh"
#include "kernels/simt/team_args.cuh"

namespace gems::simt {

template <int N, class T> GEMS_FN Vec<T, N> load_pack(const stored_t<T>* p) { return *reinterpret_cast<const Vec<T, N>*>(p); }

// As load_pack for data that is read once: stays out of L1, so that weights shared by the rows stay in. Not ordered against
// stores by the compiler: only for values whose dependants alone are stored to the same place.
template <int N, class T> GEMS_FN Vec<T, N> load_pack_once(const stored_t<T>* p) {
#if GEMS_DEVICE
  if constexpr (sizeof(Vec<T, N>) % 16 == 0) {
    struct alignas(16) Words {
      u32 w[sizeof(Vec<T, N>) / 4];
    } r;
    for (int i = 0; i < (int)(sizeof(r) / 16); i++)
      asm("ld.global.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];"
          : "=r"(r.w[4 * i]), "=r"(r.w[4 * i + 1]), "=r"(r.w[4 * i + 2]), "=r"(r.w[4 * i + 3])
          : "l"(reinterpret_cast<const char*>(p) + 16 * i));
    return __builtin_bit_cast(Vec<T, N>, r);
  }
#endif
  return load_pack<N, T>(p);
}

template <class A> GEMS_FN A number(const Number& x) {
  if constexpr (is_same<A, float>) return x.f;
  else return (A)x.d;
}

// The compiler forgets what it knows of x.
template <class T> struct Words { u32 w[sizeof(T) / 4]; };
template <class T> GEMS_FN void opaque(T& x) {
#if GEMS_DEVICE
  if constexpr (sizeof(T) % 4 == 0) {
    Words<T> r = __builtin_bit_cast(Words<T>, x);
#pragma unroll
    for (u32& e : r.w) asm volatile("" : "+r"(e));
    x = __builtin_bit_cast(T, r);
  } else if constexpr (sizeof(T) == 2) {
    unsigned short e = __builtin_bit_cast(unsigned short, x);
    asm volatile("" : "+h"(e));
    x = __builtin_bit_cast(T, e);
  }
#endif
}

// One array of packs for each type, reached by pack_of<K>(packs). Unused ones cost no register.
template <int K, int COUNT, int N, class... T> struct Packs {};
template <int K, int COUNT, int N, class H, class... R> struct Packs<K, COUNT, N, H, R...> : Packs<K + 1, COUNT, N, R...> {
  Vec<H, N> d[COUNT];
};
template <int K, int COUNT, int N, class H, class... R> GEMS_FN auto& pack_of(Packs<K, COUNT, N, H, R...>& p) { return p.d; }

// ---- values across lanes ----
template <class T> GEMS_FN T shfl_xor(T x, int mask) {
  static_assert(sizeof(T) % 4 == 0, "moved in 32-bit words");
  Words<T> w = __builtin_bit_cast(Words<T>, x);
#pragma unroll
  for (u32& e : w.w) e = __shfl_xor_sync(0xffffffffu, e, mask);
  return __builtin_bit_cast(T, w);
}
template <class T> GEMS_FN T shfl_up(T x, int delta) {
  static_assert(sizeof(T) % 4 == 0, "moved in 32-bit words");
  Words<T> w = __builtin_bit_cast(Words<T>, x);
#pragma unroll
  for (u32& e : w.w) e = __shfl_up_sync(0xffffffffu, e, delta);
  return __builtin_bit_cast(T, w);
}
template <class T> GEMS_FN T shfl(T x, int lane) {
  static_assert(sizeof(T) % 4 == 0, "moved in 32-bit words");
  Words<T> w = __builtin_bit_cast(Words<T>, x);
#pragma unroll
  for (u32& e : w.w) e = __shfl_sync(0xffffffffu, e, lane);
  return __builtin_bit_cast(T, w);
}

// Every lane of each group of LANES gets the combination of the group. A tree: rounding errors grow with log2(LANES). op must
// be commutative (IEEE addition is), then all lanes have the same bits.
template <int LANES, class T, class Op> GEMS_FN T combine_lanes(T x, Op op) {
#pragma unroll
  for (int m = 1; m < LANES; m *= 2) x = op(x, shfl_xor(x, m));
  return x;
}

// LANES <= 32: LANES neighbouring lanes are a team, a block holds blockDim.x / LANES of them.
// LANES == 0: the block is the team, of SIZE threads (a multiple of 32, at most 1024); 0: known at launch.
template <int LANES, int SIZE = 0> struct Team {
  static constexpr bool block = LANES == 0;
  GEMS_FN int size() const { return !block ? LANES : SIZE ? SIZE : (int)blockDim.x; }
  GEMS_FN int rank() const { return block ? (int)threadIdx.x : (int)threadIdx.x % (block ? 1 : LANES); }
  GEMS_FN int index() const { return block ? 0 : (int)threadIdx.x / (block ? 1 : LANES); }
  GEMS_FN int count() const { return block ? 1 : (int)blockDim.x / (block ? 1 : LANES); }

  // All threads of the block must call it. Every thread of the team gets the result. `none` is neutral in op.
  template <class T, class Op> GEMS_FN T combine(T x, T none, Op op) {
    if constexpr (!block) return combine_lanes<LANES>(x, op);
    else {
      alignas(16) __shared__ T buffer[2][32];
      T* b = buffer[phase];
      phase ^= 1;  // the next call writes the other half: one barrier a call is enough
      int warp = threadIdx.x >> 5, lane = threadIdx.x & 31, warps = blockDim.x >> 5;
      x = combine_lanes<32>(x, op);
      if (lane == 0) b[warp] = x;
      __syncthreads();
      if constexpr (SIZE > 0 && SIZE <= 256) {  // few warps: a vector load or two instead of five more shuffles
        T y[SIZE / 32];
#pragma unroll
        for (int i = 0; i < SIZE / 32; i++) y[i] = b[i];
#pragma unroll
        for (int m = 1; m < SIZE / 32; m *= 2)
#pragma unroll
          for (int i = 0; i + m < SIZE / 32; i += 2 * m) y[i] = op(y[i], y[i + m]);
        return y[0];
      } else {
        x = lane < warps ? b[lane] : none;
        return combine_lanes<32>(x, op);
      }
    }
  }
  int phase = 0;
};

// BX x BY threads: threadIdx.x % BX counts rows, the BY threads above each other are the team of a row.
template <int BX, int BY> struct ColumnTeam {
  static constexpr bool block = false;
  GEMS_FN int size() const { return BY; }
  GEMS_FN int rank() const { return (int)threadIdx.x / BX; }
  GEMS_FN int index() const { return (int)threadIdx.x % BX; }
  GEMS_FN int count() const { return BX; }
  template <class T, class Op> GEMS_FN T combine(T x, T, Op op) {
    if constexpr (BY == 1) return x;
    else {
      __shared__ T buffer[2][BX * BY];
      T* b = buffer[phase];
      phase ^= 1;
      b[threadIdx.x] = x;
      __syncthreads();
      x = b[index()];
      for (int y = 1; y < BY; y++) x = op(x, b[y * BX + index()]);
      return x;
    }
  }
  int phase = 0;
};

// Offsets of all operands at one kept index.
template <int NT> GEMS_FN void kept_offsets(const Kept<NT>& g, i64 row, i64 (&off)[NT]) {
#pragma unroll
  for (int k = 0; k < NT; k++) off[k] = 0;
  for (int d = g.ndim - 1; d >= 0; d--) {
    i64 i = row;
    if (d > 0) {
      i64 q = g.rows <= 0xffffffffLL ? (i64)((u32)row / (u32)g.size[d]) : row / g.size[d];
      i = row - q * g.size[d];
      row = q;
    }
#pragma unroll
    for (int k = 0; k < NT; k++) off[k] += i * g.stride[k][d];
  }
}

}  // namespace gems::simt
