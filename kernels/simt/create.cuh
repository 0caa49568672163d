// Tensors whose values follow from positions: arange, and tril/triu (which also read their input).
#pragma once
#include "kernels/simt/common.cuh"

namespace gems::simt {

struct ArangeArgs {
  u64 slot;
  u64 start, step;  // numbers in the compute type
  i64 n, stride;    // elements; stride of out
};

// out[i] = start + step * i, computed in C (double, i64) and converted once. E > 1: out is dense and aligned.
template <class T, class C, int BLOCK, int E> GEMS_FN void arange(const ArangeArgs& a) {
  const C start = number<C>(a.start), step = number<C>(a.step);
  const i64 at = ((i64)blockIdx.x * BLOCK + threadIdx.x) * E;
  stored_t<T>* p = reinterpret_cast<stored_t<T>*>(a.slot);
  C v[E];
#pragma unroll
  for (int e = 0; e < E; e++) v[e] = start + step * (C)(at + e);
  if (at + E <= a.n) {
    *reinterpret_cast<Vec<T, E>*>(p + at * a.stride) = store_vec<T, E>(v);
    return;
  }
#pragma unroll
  for (int e = 0; e < E; e++)
    if (at + e < a.n) p[(at + e) * a.stride] = store_as<T>(v[e]);
}

template <int D> struct TriangleArgs {
  u64 slot[2];  // out, in
  i64 diagonal;
  u32 vectors, unused;
  Div size[D];  // innermost first, in vectors: columns, rows, further dimensions
  int stride[D][2];
};

// UPPER: elements with column - row >= diagonal stay (triu), else those with column - row <= diagonal (tril). Vectors that don't
// stay aren't read.
template <class T, bool UPPER, int BLOCK, int E, int D> GEMS_FN void triangle(const TriangleArgs<D>& a) {
  u32 i = blockIdx.x * BLOCK + threadIdx.x;
  if (i >= a.vectors) return;
  int out = 0, in = 0;
  u32 at[D];
#pragma unroll
  for (int d = 0; d < D; d++) {
    const u32 q = d < D - 1 ? a.size[d].of(i) : 0;
    at[d] = d < D - 1 ? i - q * a.size[d].d : i;
    out += (int)at[d] * a.stride[d][0];
    in += (int)at[d] * a.stride[d][1];
    i = q;
  }
  const i64 left = (i64)at[0] * E - (i64)at[1] - a.diagonal;  // of the vector's first element
  Vec<T, E> v{};
  if (UPPER ? left + E > 0 : left <= 0) v = *reinterpret_cast<const Vec<T, E>*>(reinterpret_cast<const T*>(a.slot[1]) + in);
#pragma unroll
  for (int e = 0; e < E; e++)
    if (UPPER ? left + e < 0 : left + e > 0) v.v[e] = T{};
  *reinterpret_cast<Vec<T, E>*>(reinterpret_cast<T*>(a.slot[0]) + out) = v;
}

}  // namespace gems::simt
