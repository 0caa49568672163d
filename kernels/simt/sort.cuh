// Lines on a GPU. sort_lines: one block a line of up to 4096 elements, sorted in shared memory as key << 32 | index by a bitonic network
// (stable, as no two elements are equal); its first elements or one of them are the result. running_lines: a line's running maximum of
// the same words, where a later equal one is greater. select_lines: longer lines by radix select, eight bits a pass from the top, until so
// few candidates are left that they fit into shared memory; normal numbers take one or two passes.
#pragma once
#include "kernels/lang/keys.h"
#include "kernels/simt/common.cuh"
#include "kernels/simt/sort_args.cuh"

namespace gems::simt {

constexpr int kMostSorted = 4096;
enum { kSortAll = 0, kSortNth = 1 };

template <class T> GEMS_FN u64 packed_key(typename T::raw x, bool flip, i64 i) {
  typedef typename T::raw R;
  return (u64)(R)(T::key(x) ^ (flip ? (R) ~(R)0 : (R)0)) << 32 | (u32)i;
}

GEMS_FN void line_offsets(const Kept<3>& kept, i64 row, i64 (&off)[3]) {
  off[0] = off[1] = off[2] = 0;
  for (int d = kept.ndim - 1; d >= 0; d--) {
    const i64 c = d == 0 ? row : row % kept.size[d];
    row /= kept.size[d];
    for (int k = 0; k < 3; k++) off[k] += c * kept.stride[k][d];
  }
}

// s[0, padded) ascending; padded: a power of two.
GEMS_FN void bitonic(u64* s, int padded) {
  for (int k = 2; k <= padded; k *= 2)
    for (int j = k / 2; j > 0; j /= 2) {
      for (int t = threadIdx.x; t < padded / 2; t += blockDim.x) {
        const int lo = 2 * t - (t & (j - 1)), hi = lo + j;
        const u64 x = s[lo], y = s[hi];
        if ((x > y) == ((lo & k) == 0)) s[lo] = y, s[hi] = x;
      }
      __syncthreads();
    }
}

template <class T, int MODE> GEMS_FN void sort_lines(const LinesArgs& a) {
  typedef typename T::raw R;
  __shared__ u64 s[kMostSorted];
  const int n = (int)a.n;
  int padded = 2;
  while (padded < n) padded *= 2;
  for (i64 row = blockIdx.x; row < a.kept.rows; row += gridDim.x) {
    i64 off[3];
    line_offsets(a.kept, row, off);
    R* values = (R*)a.values + off[0];
    i64* indices = (i64*)a.indices + off[1];
    const R* in = (const R*)a.in + off[2];
    for (int i = threadIdx.x; i < padded; i += blockDim.x)
      s[i] = i < n ? packed_key<T>(in[i * a.step[2]], MODE == kSortAll && a.flag, i) : ~(u64)0;
    __syncthreads();
    bitonic(s, padded);
    if constexpr (MODE == kSortAll) {
      for (int i = threadIdx.x; i < (int)a.m; i += blockDim.x) {
        const u32 at = (u32)s[i];
        values[i * a.step[0]] = in[at * a.step[2]];
        indices[i * a.step[1]] = (i64)at;
      }
    } else if (threadIdx.x == 0) {  // rule 0: the k-th; 1: the first NaN, else the median; 2: the median of the others
      int first = n;                // NaN
      if (T::has_nan && a.flag) {
        int lo = 0;
        while (lo < first) {
          const int mid = (lo + first) / 2;
          if ((R)(s[mid] >> 32) == (R) ~(R)0) first = mid;
          else lo = mid + 1;
        }
      }
      int at = a.flag ? (n - 1) / 2 : (int)a.k;
      if (first < n) at = a.flag == 1 ? first : first > 0 ? (first - 1) / 2 : 0;
      const u32 i = (u32)s[at];
      *values = in[i * a.step[2]];
      *indices = (i64)i;
    }
    __syncthreads();
  }
}

// 0: m, the least in order; 1: the one that nth looks for. Words are unique (an index is in them), so their last digit ends every search.
template <class T, int MODE> GEMS_FN void select_lines(const LinesArgs& a) {
  typedef typename T::raw R;
  __shared__ u64 s[kMostSorted];
  __shared__ u32 counts[256];
  __shared__ u32 found, nans, digit_, before_, inside_;
  for (i64 row = blockIdx.x; row < a.kept.rows; row += gridDim.x) {
    i64 off[3];
    line_offsets(a.kept, row, off);
    R* values = (R*)a.values + off[0];
    i64* indices = (i64*)a.indices + off[1];
    const R* in = (const R*)a.in + off[2];
    auto word = [&](i64 i) { return packed_key<T>(in[i * a.step[2]], MODE == kSortAll && a.flag, i); };
    if (threadIdx.x == 0) found = nans = 0;
    __syncthreads();
    i64 rank = MODE == kSortAll ? a.m - 1 : a.k;  // of the word that is looked for, among those that share its prefix
    if (MODE == kSortNth && a.flag) {
      if constexpr (T::has_nan) {
        u32 mine = 0;
        for (i64 i = threadIdx.x; i < a.n; i += blockDim.x) mine += T::key(in[i * a.step[2]]) == (R) ~(R)0;
        if (mine) atomicAdd(&nans, mine);
        __syncthreads();
      }
      const i64 others = a.n - (i64)nans;
      rank = (a.n - 1) / 2;
      if (others < a.n) rank = a.flag == 1 ? others : others > 0 ? (others - 1) / 2 : 0;
    }
    u64 prefix = 0;
    i64 below = 0;
    int shift = 32 + 8 * (int)sizeof(R);
    for (;;) {
      shift -= 8;
      for (int d = threadIdx.x; d < 256; d += blockDim.x) counts[d] = 0;
      __syncthreads();
      for (i64 i = threadIdx.x; i < a.n; i += blockDim.x) {
        const u64 x = word(i);
        if (x >> shift >> 8 == prefix) atomicAdd(&counts[(u32)(x >> shift) & 255], 1u);
      }
      __syncthreads();
      if (threadIdx.x == 0) {
        u32 d = 0, sum = 0;
        while (sum + counts[d] <= (u32)rank) sum += counts[d++];
        digit_ = d, before_ = sum, inside_ = counts[d];
      }
      __syncthreads();
      prefix = prefix << 8 | digit_;
      below += before_;
      rank -= before_;
      const i64 candidates = (MODE == kSortAll ? below : 0) + (i64)inside_;
      if (candidates <= kMostSorted || shift == 0) break;
    }
    for (i64 i = threadIdx.x; i < a.n; i += blockDim.x) {
      const u64 x = word(i), p = x >> shift;
      if (MODE == kSortAll ? p <= prefix : p == prefix) s[atomicAdd(&found, 1u)] = x;
    }
    __syncthreads();
    int padded = 2;
    while (padded < (int)found) padded *= 2;
    for (int i = (int)found + threadIdx.x; i < padded; i += blockDim.x) s[i] = ~(u64)0;
    __syncthreads();
    bitonic(s, padded);
    if constexpr (MODE == kSortAll) {
      for (int i = threadIdx.x; i < (int)a.m; i += blockDim.x) {
        const u32 at = (u32)s[i];
        values[i * a.step[0]] = in[at * a.step[2]];
        indices[i * a.step[1]] = (i64)at;
      }
    } else if (threadIdx.x == 0) {
      const u32 at = (u32)s[rank];
      *values = in[at * a.step[2]];
      *indices = (i64)at;
    }
    __syncthreads();
  }
}

template <class T> GEMS_FN void running_lines(const LinesArgs& a) {
  typedef typename T::raw R;
  __shared__ u64 last[2][32];
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, warps = blockDim.x >> 5;
  for (i64 row = blockIdx.x; row < a.kept.rows; row += gridDim.x) {
    i64 off[3];
    line_offsets(a.kept, row, off);
    R* values = (R*)a.values + off[0];
    i64* indices = (i64*)a.indices + off[1];
    const R* in = (const R*)a.in + off[2];
    u64 carry = 0;
    int phase = 0;
    for (i64 base = 0; base < a.n; base += blockDim.x, phase ^= 1) {
      const i64 i = base + threadIdx.x;
      u64 x = 0;
      if (i < a.n) {
        x = packed_key<T>(in[i * a.step[2]], a.flag, i);
        if (T::has_nan && a.flag && x >> 32 == 0) x |= (u64)(R) ~(R)0 << 32;  // NaN wins whatever is looked for
      }
#pragma unroll
      for (int d = 1; d < 32; d *= 2) {
        const u32 low = __shfl_up_sync(0xffffffffu, (u32)x, d), high = __shfl_up_sync(0xffffffffu, (u32)(x >> 32), d);
        const u64 y = (u64)high << 32 | low;
        x = lane >= d && y > x ? y : x;
      }
      if (lane == 31) last[phase][warp] = x;
      __syncthreads();
      u64 total = carry;
      for (int w = 0; w < warps; w++) {
        const u64 y = last[phase][w];
        if (w < warp && y > x) x = y;
        total = y > total ? y : total;
      }
      x = carry > x ? carry : x;
      carry = total;
      if (i < a.n) {
        const u32 at = (u32)x;
        values[i * a.step[0]] = in[at * a.step[2]];
        indices[i * a.step[1]] = (i64)at;
      }
    }
    __syncthreads();
  }
}

}  // namespace gems::simt
