// Copies whose source coordinate is a function of the result's, each dimension for itself (flip, roll, reflection, replication), and
// their gradients, which add up all places where an element went, in one order: no atomics.
#pragma once
#include "kernels/simt/common.cuh"

namespace gems::simt {

enum MapMode { map_wrap, map_clamp, map_reflect, map_unfold };

template <int D> struct MapArgs {
  u64 slot[2];  // result, source
  u32 vectors, unused;
  Div size[D];  // of the result, innermost first, in vectors
  int stride[D][2];
  int shift[D], other[D];  // in front of the source's first element; the source's size. Plain dimensions: 0 and the result's size
};

// A plain dimension's coordinate is its own in every mode. E > 1: the innermost dimension is plain and dense in both.
template <class T, MapMode M, int BLOCK, int E, int D> GEMS_FN void map(const MapArgs<D>& a) {
  u32 i = blockIdx.x * BLOCK + threadIdx.x;
  if (i >= a.vectors) return;
  int to = 0, from = 0;
#pragma unroll
  for (int d = 0; d < D; d++) {
    const u32 q = d < D - 1 ? a.size[d].of(i) : 0;
    const int c = (int)(d < D - 1 ? i - q * a.size[d].d : i), n = a.other[d];
    int x = c - a.shift[d];
    if constexpr (M == map_wrap) x = x < 0 ? x + n : x;
    else if constexpr (M == map_clamp) x = x < 0 ? 0 : x >= n ? n - 1 : x;
    else x = x < 0 ? -x : x >= n ? 2 * (n - 1) - x : x;
    to += c * a.stride[d][0];
    from += x * a.stride[d][1];
    i = q;
  }
  *reinterpret_cast<Raw<T, E>*>(reinterpret_cast<T*>(a.slot[0]) + to) =
      *reinterpret_cast<const Raw<T, E>*>(reinterpret_cast<const T*>(a.slot[1]) + from);
}

template <int D> struct FoldArgs {
  u64 slot[2];  // gradient of the input, gradient of the result
  u32 vectors, unused;
  Div size[D];  // of the input, innermost first
  int stride[D][2];
  int shift[D], other[D];   // as above, `other` the result's size. unfold: step and number of windows
  int inner[D], length[D];  // unfold: stride within a window, its length; 0 elsewhere
};

// What went from coordinate c of one dimension to where: `count` offsets from `first`, `step` apart, and up to two more (reflection).
struct Places {
  int count, first, step, more, extra[2];
  GEMS_FN int at(int i) const { return i < count ? first + i * step : extra[i - count]; }
};
template <MapMode M, int D> GEMS_FN Places places(const FoldArgs<D>& a, int d, int c) {
  const int n = (int)a.size[d].d, stride = a.stride[d][1], shift = a.shift[d], behind = a.other[d] - shift - n;
  if (M == map_unfold && a.length[d]) {
    const int low = c - a.length[d] + 1, w0 = low > 0 ? (low + shift - 1) / shift : 0, last = c / shift;
    const int w1 = last < a.other[d] ? last : a.other[d] - 1;
    return {w1 - w0 + 1, w0 * stride + (c - w0 * shift) * a.inner[d], stride - shift * a.inner[d], 0, {0, 0}};
  }
  Places p{1, (c + shift) * stride, stride, 0, {0, 0}};
  if (M == map_clamp) {
    if (c == 0) p.first = 0, p.count += shift;
    if (c == n - 1) p.count += behind;
  } else if (M == map_reflect) {
    if (c >= 1 && c <= shift) p.extra[p.more++] = (shift - c) * stride;
    if (c <= n - 2 && c >= n - 1 - behind) p.extra[p.more++] = (2 * (n - 1) - c + shift) * stride;
  }
  return p;
}

template <class T, class A, MapMode M, int BLOCK, int D> GEMS_FN void fold(const FoldArgs<D>& a) {
  u32 i = blockIdx.x * BLOCK + threadIdx.x;
  if (i >= a.vectors) return;
  int to = 0, turn[D];
  Places p[D];
#pragma unroll
  for (int d = 0; d < D; d++) {
    const u32 q = d < D - 1 ? a.size[d].of(i) : 0;
    const int c = (int)(d < D - 1 ? i - q * a.size[d].d : i);
    to += c * a.stride[d][0];
    p[d] = places<M>(a, d, c);
    turn[d] = 0;
    i = q;
  }
  bool some = true;
#pragma unroll
  for (int d = 0; d < D; d++) some = some && p[d].count + p[d].more > 0;
  A sum = 0;
  while (some) {
    int from = 0;
#pragma unroll
    for (int d = 0; d < D; d++) from += p[d].at(turn[d]);
    sum += load_as<A, T>(reinterpret_cast<const stored_t<T>*>(a.slot[1])[from]);
    some = false;
#pragma unroll
    for (int d = 0; d < D; d++) {
      if (some) continue;
      turn[d]++;
      some = turn[d] < p[d].count + p[d].more;
      if (!some) turn[d] = 0;
    }
  }
  reinterpret_cast<stored_t<T>*>(a.slot[0])[to] = store_as<T>(sum);
}

}  // namespace gems::simt
