// nonzero, masked_select, masked_scatter. `mark` leaves one bit an element and a count a chunk, `scan` sums the counts; once the host knows
// the total, the other kernels read the bits alone.
#pragma once
#include "kernels/simt/common.cuh"

namespace gems::simt {

constexpr int compact_chunk = 4096;  // elements a block; backends/cpu/compact.cpp has the same layout

struct MarkArgs {
  u64 slot[3];  // mask, words of 32 bits, counts in front of the chunks (i64) with the total last
  i64 n;
};

template <class T> GEMS_FN bool is_marked(stored_t<T> x) { return to<bool>(load_as<typename acc<T>::type, T>(x)); }

// E elements at a time where the mask is aligned to their size; E divides 32.
template <class T, int BLOCK, int E> GEMS_FN void mark(const MarkArgs& a) {
  const stored_t<T>* mask = reinterpret_cast<const stored_t<T>*>(a.slot[0]);
  u32* words = reinterpret_cast<u32*>(a.slot[1]);
  u32 sum = 0;
  for (int i = threadIdx.x * E; i < compact_chunk; i += BLOCK * E) {
    const i64 at = (i64)blockIdx.x * compact_chunk + i;
    u32 bits = 0;
    if (at + E <= a.n) {
      const Vec<T, E> v = *reinterpret_cast<const Vec<T, E>*>(mask + at);
#pragma unroll
      for (int e = 0; e < E; e++) bits |= (u32)is_marked<T>(v.v[e]) << e;
    } else {
      for (int e = 0; e < E; e++)
        if (at + e < a.n) bits |= (u32)is_marked<T>(mask[at + e]) << e;
    }
    sum += __popc(bits);
    constexpr int lanes = 32 / E;  // that make a word
    bits <<= threadIdx.x % lanes * E;
#pragma unroll
    for (int m = 1; m < lanes; m *= 2) bits |= __shfl_xor_sync(~0u, bits, m);
    if (threadIdx.x % lanes == 0 && at < (a.n + 63) / 64 * 64) words[at / 32] = bits;
  }
  __shared__ u32 sums[BLOCK / 32];
#pragma unroll
  for (int m = 16; m; m /= 2) sum += __shfl_xor_sync(~0u, sum, m);
  if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = sum;
  __syncthreads();
  if (threadIdx.x == 0) {
    u32 all = 0;
    for (int w = 0; w < BLOCK / 32; w++) all += sums[w];
    reinterpret_cast<i64*>(a.slot[2])[blockIdx.x] = all;
  }
}

// Exclusive sums over the block; `total` is theirs.
template <int BLOCK> GEMS_FN u32 before_in_block(u32 mine, u32& total) {
  __shared__ u32 warps[BLOCK / 32];
  u32 sum = mine;
#pragma unroll
  for (int d = 1; d < 32; d *= 2) {
    const u32 left = __shfl_up_sync(~0u, sum, d);
    sum += threadIdx.x % 32 >= (u32)d ? left : 0;
  }
  __syncthreads();  // the last call's values have been read
  if (threadIdx.x % 32 == 31) warps[threadIdx.x / 32] = sum;
  __syncthreads();
  u32 front = 0;
  total = 0;
  for (int w = 0; w < BLOCK / 32; w++) {
    if (w < (int)threadIdx.x / 32) front += warps[w];
    total += warps[w];
  }
  return front + sum - mine;
}

// One block: counts become what is in front of each chunk.
template <int BLOCK> GEMS_FN void scan_counts(const MarkArgs& a) {
  i64* counts = reinterpret_cast<i64*>(a.slot[2]);
  const i64 chunks = (a.n + compact_chunk - 1) / compact_chunk;
  i64 carry = 0;
  for (i64 base = 0; base < chunks; base += BLOCK) {
    const i64 i = base + threadIdx.x;
    const u32 mine = i < chunks ? (u32)counts[i] : 0;
    u32 total;
    const u32 before = before_in_block<BLOCK>(mine, total);
    if (i < chunks) counts[i] = carry + before;
    carry += total;
  }
  if (threadIdx.x == 0) counts[chunks] = carry;
}

template <int D> struct CompactArgs {
  u64 slot[4];   // result, words, counts, source (nonzero: 0)
  i64 n, limit;  // elements; of the source (masked_scatter)
  Div size[D];   // nonzero: of the mask, innermost first
};

// f(position, how many are marked in front of it) for each marked element of the block's chunk.
template <int BLOCK, class F> GEMS_FN void for_each_marked(const u32* words, const i64* counts, i64 n, F f) {
  constexpr int W = compact_chunk / 32;
  __shared__ u32 front[W], bits[W];
  const i64 first = (i64)blockIdx.x * W;
  u32 mine = 0, total;
  if (threadIdx.x < W && (first + threadIdx.x) * 32 < n) mine = words[first + threadIdx.x];
  const u32 before = before_in_block<BLOCK>(__popc(mine), total);
  if (threadIdx.x < W) front[threadIdx.x] = before, bits[threadIdx.x] = mine;
  __syncthreads();
  const i64 base = counts[blockIdx.x];
  const u32 lane = threadIdx.x % 32;
  for (int w = threadIdx.x / 32; w < W; w += BLOCK / 32)
    if (bits[w] >> lane & 1) f((first + w) * 32 + lane, base + front[w] + __popc(bits[w] & ((1u << lane) - 1)));
}

template <int BLOCK, int D> GEMS_FN void nonzero(const CompactArgs<D>& a) {
  const i64* counts = reinterpret_cast<const i64*>(a.slot[2]);
  const i64 total = counts[(a.n + compact_chunk - 1) / compact_chunk];
  i64* out = reinterpret_cast<i64*>(a.slot[0]);
  for_each_marked<BLOCK>(reinterpret_cast<const u32*>(a.slot[1]), counts, a.n, [&](i64 at, i64 k) {
    u32 i = (u32)at;
#pragma unroll
    for (int d = 0; d < D; d++) {
      const u32 q = d < D - 1 ? a.size[d].of(i) : 0;
      out[(D - 1 - d) * total + k] = d < D - 1 ? i - q * a.size[d].d : i;
      i = q;
    }
  });
}

template <class T, int BLOCK, bool SCATTER> GEMS_FN void masked_move(const CompactArgs<1>& a) {
  T* out = reinterpret_cast<T*>(a.slot[0]);
  const T* source = reinterpret_cast<const T*>(a.slot[3]);
  for_each_marked<BLOCK>(reinterpret_cast<const u32*>(a.slot[1]), reinterpret_cast<const i64*>(a.slot[2]), a.n,
                         [&](i64 at, i64 k) {
                           if (SCATTER) {
                             if (k >= a.limit) __trap();  // as torch: a device-side assertion
                             out[at] = source[k];
                           } else {
                             out[k] = source[at];
                           }
                         });
}

struct RepeatArgs {
  u64 slot[2];  // out, inclusive sums of the repeats (i64)
  i64 n, total;
};

// out[j] = i with sums[i - 1] <= j < sums[i].
template <int BLOCK> GEMS_FN void repeat(const RepeatArgs& a) {
  const i64 j = (i64)blockIdx.x * BLOCK + threadIdx.x;
  if (j >= a.total) return;
  const i64* sums = reinterpret_cast<const i64*>(a.slot[1]);
  i64 low = 0, high = a.n;
  while (low < high) {
    const i64 middle = (low + high) / 2;
    if (sums[middle] <= j) low = middle + 1;
    else high = middle;
  }
  reinterpret_cast<i64*>(a.slot[0])[j] = low;
}

}  // namespace gems::simt
