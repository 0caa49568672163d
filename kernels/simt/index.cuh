// gather, index_select, embedding, x[i, j]: out[p] = self[p with indexed dimensions replaced by index_k[p]]; and the other way, scatter.
// Elements that only move do so as bits: one kernel serves all dtypes of a size.
#pragma once
#include "kernels/simt/combine.cuh"

namespace gems::simt {

template <int D, int N> struct IndexArgs {
  u64 slot[2 + N];        // out, self, indices;  scatter: self, src, indices
  i64 step[N], limit[N];  // strides (elements) and sizes of the table along the indexed dimensions
  i64 wrap;               // not 0: negative indices count from the end
  u32 vectors, tile;      // all, and of one block: BLOCK or BLOCK * U
  Div size[D];            // of what is walked, innermost first, in vectors
  int stride[D][2 + N];
};

// Offsets of U walked elements (of out or src) in both operands; the table's with its indices. All indices are loaded before any is used.
template <int TABLE, class Index, int BLOCK, int U, int D, int N>
GEMS_FN void locate(const IndexArgs<D, N>& a, u32 first, u32 end, i64 (&walked)[U][2]) {
  Index at[U][N];
#pragma unroll
  for (int j = 0; j < U; j++) {
    u32 i = first + j * BLOCK;
    const bool live = i < end;
    int offset[2 + N] = {};
#pragma unroll
    for (int d = 0; d < D; d++) {
      const u32 q = d < D - 1 ? a.size[d].of(i) : 0, c = d < D - 1 ? i - q * a.size[d].d : i;
#pragma unroll
      for (int k = 0; k < 2 + N; k++) offset[k] += (int)c * a.stride[d][k];
      i = q;
    }
    walked[j][0] = offset[0];
    walked[j][1] = offset[1];
#pragma unroll
    for (int k = 0; k < N; k++) at[j][k] = live ? reinterpret_cast<const Index*>(a.slot[2 + k])[offset[2 + k]] : 0;
  }
#pragma unroll
  for (int j = 0; j < U; j++) {
    i64 sum = 0;
    bool bad = false;
#pragma unroll
    for (int k = 0; k < N; k++) {
      i64 v = (i64)at[j][k];
      if (a.wrap && v < 0) v += a.limit[k];
      bad |= (u64)v >= (u64)a.limit[k];
      sum += v * a.step[k];
    }
    if (bad && first + j * BLOCK < end) __trap();  // as torch: a device-side assertion
    walked[j][TABLE] += sum;
  }
}

// T: an unsigned type of the element's size; E elements at a time where out and self are dense along the innermost dimension and the
// indices are constant there. U look-ups are in flight at once.
template <class T, class Index, int BLOCK, int E, int U, int D, int N> GEMS_FN void index(const IndexArgs<D, N>& a) {
  const u32 first = blockIdx.x * a.tile + threadIdx.x;
  const u32 end = (blockIdx.x + 1) * a.tile < a.vectors ? (blockIdx.x + 1) * a.tile : a.vectors;
  i64 at[U][2];
  locate<1, Index, BLOCK, U>(a, first, end, at);
  Raw<T, E> held[U];
#pragma unroll
  for (int j = 0; j < U; j++)
    if (first + j * BLOCK < end) held[j] = *reinterpret_cast<const Raw<T, E>*>(reinterpret_cast<const T*>(a.slot[1]) + at[j][1]);
#pragma unroll
  for (int j = 0; j < U; j++)
    if (first + j * BLOCK < end) *reinterpret_cast<Raw<T, E>*>(reinterpret_cast<T*>(a.slot[0]) + at[j][0]) = held[j];
}

// self[..., index, ...] = C(that, src[...]). E > 1 only for combine_set. src may have strides of 0: a number.
template <class T, class C, class Index, int BLOCK, int E, int U, int D, int N> GEMS_FN void scatter(const IndexArgs<D, N>& a) {
  const u32 first = blockIdx.x * a.tile + threadIdx.x;
  const u32 end = (blockIdx.x + 1) * a.tile < a.vectors ? (blockIdx.x + 1) * a.tile : a.vectors;
  i64 at[U][2];
  locate<0, Index, BLOCK, U>(a, first, end, at);
  Vec<T, E> held[U];
#pragma unroll
  for (int j = 0; j < U; j++)
    if (first + j * BLOCK < end) held[j] = *reinterpret_cast<const Vec<T, E>*>(reinterpret_cast<const T*>(a.slot[1]) + at[j][1]);
#pragma unroll
  for (int j = 0; j < U; j++) {
    if (first + j * BLOCK >= end) continue;
    T* to = reinterpret_cast<T*>(a.slot[0]) + at[j][0];
    if constexpr (is_same<C, combine_set>) *reinterpret_cast<Vec<T, E>*>(to) = held[j];
    else combine<C, T>(to, held[j].v[0]);
  }
}

// ---- gradient of embedding: deterministic, sums in float or double, rounded once ----

struct EmbeddingGradArgs {
  u64 slot[3];  // gradient of the table [rows, width], gradient of the output [n, width], index [n]
  i64 rows, width, padding;
  u32 n, unused;
};

// The whole table's gradient to zero; E elements a thread.
template <class T, int BLOCK, int E> GEMS_FN void zero_table(const EmbeddingGradArgs& a) {
  const i64 at = ((i64)blockIdx.x * BLOCK + threadIdx.x) * E;
  T* p = reinterpret_cast<T*>(a.slot[0]);
  if (at + E <= a.rows * a.width) *reinterpret_cast<Vec<T, E>*>(p + at) = Vec<T, E>{};
  else
    for (i64 i = at; i < a.rows * a.width; i++) p[i] = T{};
}

// Block (i, y): if token i is the first with its index, it adds up the gradients of all tokens with that index, in their order, for
// BLOCK * E columns. Finding them reads the whole index once a block (64 KiB for 8192 tokens, from L2).
template <class T, class A, class Index, int BLOCK, int E> GEMS_FN void embedding_grad(const EmbeddingGradArgs& a) {
  const Index* index = reinterpret_cast<const Index*>(a.slot[2]);
  const u32 i = blockIdx.x;
  const Index mine = index[i];
  if ((u64)(i64)mine >= (u64)a.rows) __trap();
  if ((i64)mine == a.padding) return;
  bool earlier = false;
  for (u32 j = threadIdx.x; j < i; j += BLOCK) earlier |= index[j] == mine;
  if (__syncthreads_or(earlier)) return;
  const i64 column = ((i64)blockIdx.y * BLOCK + threadIdx.x) * E;
  const bool live = column < a.width;  // E divides the width
  A sum[E] = {};
  __shared__ u32 found[BLOCK / 32];
  for (u32 base = i; base < a.n; base += BLOCK) {
    const u32 j = base + threadIdx.x;
    const u32 bits = __ballot_sync(~0u, j < a.n && index[j < a.n ? j : i] == mine);
    __syncthreads();
    if (threadIdx.x % 32 == 0) found[threadIdx.x / 32] = bits;
    __syncthreads();
    for (int w = 0; w < BLOCK / 32; w++)
      for (u32 left = found[w]; left; left &= left - 1) {
        const i64 token = base + w * 32 + __ffs((int)left) - 1;
        if (!live) continue;
        const Vec<T, E> g = *reinterpret_cast<const Vec<T, E>*>(reinterpret_cast<const T*>(a.slot[1]) + token * a.width + column);
#pragma unroll
        for (int e = 0; e < E; e++) sum[e] += to<A>(g.v[e]);
      }
  }
  if (live) *reinterpret_cast<Vec<T, E>*>(reinterpret_cast<T*>(a.slot[0]) + (i64)mine * a.width + column) = store_vec<T, E>(sum);
}

}  // namespace gems::simt
