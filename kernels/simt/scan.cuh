// Scan skeletons for GPUs (inclusive). scan_lanes: the team walks along its row, packs of VEC elements a thread, and carries the
// total on; few long rows are cut into segments (their totals, the scan of the totals, the segments with what came before).
// scan_columns: one thread a row where neighbouring rows are neighbours in memory.
#pragma once
#include "kernels/simt/team.cuh"

namespace gems::simt {

enum { kScanRows = 0, kScanTotals = 1, kScanSegments = 2 };

// Exclusive prefix of x over the team; `total` is that of the whole team. All threads of the block must call it.
template <int LANES, class A, class Op> GEMS_FN A team_prefix(Team<LANES>& team, A x, A none, Op op, A* total) {
  constexpr int GROUP = LANES == 0 ? 32 : LANES;
  const int lane = (int)threadIdx.x % GROUP;
#pragma unroll
  for (int d = 1; d < GROUP; d *= 2) {
    A y = shfl_up(x, d);
    if (lane >= d) x = op(y, x);
  }
  A before = shfl_up(x, 1);
  before = lane == 0 ? none : before;
  if constexpr (LANES > 0) {
    *total = shfl(x, ((int)threadIdx.x & 31) | (GROUP - 1));
    return before;
  } else {
    __shared__ A totals[2][32];
    A* t = totals[team.phase];
    team.phase ^= 1;
    const int warp = threadIdx.x >> 5, warps = blockDim.x >> 5;
    if (lane == 31) t[warp] = x;
    __syncthreads();
    A w = lane < warps ? t[lane] : none;
#pragma unroll
    for (int d = 1; d < 32; d *= 2) {
      A y = shfl_up(w, d);
      if (lane >= d) w = op(y, w);
    }
    *total = shfl(w, warps - 1);
    A left = shfl(w, warp > 0 ? warp - 1 : 0);
    return warp > 0 ? op(left, before) : before;
  }
}

template <class F, class A, int LANES, int VEC, int MODE, class TO, class TI> GEMS_FN void scan_lanes(const ScanArgs& a) {
  auto op = [](A x, A y) { return F::combine(x, y); };
  const A none = F::template identity<A>();
  Team<LANES> team;
  const i64 begin = blockIdx.y * a.chunk, end = begin + a.chunk < a.n ? begin + a.chunk : a.n;
  const i64 stride = (i64)team.size() * VEC;
  for (i64 base = blockIdx.x * (i64)team.count(); base < a.kept.rows; base += gridDim.x * (i64)team.count()) {
    i64 row = base + team.index();
    const bool active = row < a.kept.rows;
    row = active ? row : a.kept.rows - 1;
    i64 off[2];
    kept_offsets(a.kept, row, off);
    auto* out = (stored_t<TO>*)a.out + off[0];
    const auto* in = (const stored_t<TI>*)a.in + off[1];
    auto load = [&](i64 at) {
      if (at >= end) return Vec<TI, VEC>{};
      return load_pack<VEC, TI>(in + (VEC == 1 ? at * a.in_step : at));
    };
    A carry = none;
    if constexpr (MODE == kScanSegments)
      if (blockIdx.y > 0) carry = ((const A*)a.partial)[row * a.splits + blockIdx.y - 1];
    i64 at = begin + (i64)team.rank() * VEC;
    Vec<TI, VEC> now = load(at);
    for (i64 first = begin; first < end; first += stride, at += stride) {
      Vec<TI, VEC> next = load(at + stride);
      A x[VEC];
#pragma unroll
      for (int i = 0; i < VEC; i++) x[i] = at < end ? load_as<A, TI>(now.v[i]) : none;
#pragma unroll
      for (int i = 1; i < VEC; i++) x[i] = op(x[i - 1], x[i]);
      A total;
      A left = op(carry, team_prefix(team, x[VEC - 1], none, op, &total));
      carry = op(carry, total);
      if constexpr (MODE != kScanTotals) {
#pragma unroll
        for (int i = 0; i < VEC; i++) x[i] = op(left, x[i]);
        if (active && at < end) *reinterpret_cast<Vec<TO, VEC>*>(out + (VEC == 1 ? at * a.out_step : at)) = store_vec<TO>(x);
      }
      now = next;
    }
    if constexpr (MODE == kScanTotals)
      if (active && team.rank() == 0) ((A*)a.partial)[row * a.splits + blockIdx.y] = carry;
  }
}

template <class F, class A, class TO, class TI> GEMS_FN void scan_columns(const ScanArgs& a) {
  constexpr int UNROLL = 8;
  for (i64 row = blockIdx.x * (i64)blockDim.x + threadIdx.x; row < a.kept.rows; row += gridDim.x * (i64)blockDim.x) {
    i64 off[2];
    kept_offsets(a.kept, row, off);
    auto* out = (stored_t<TO>*)a.out + off[0];
    const auto* in = (const stored_t<TI>*)a.in + off[1];
    A s = F::template identity<A>();
    for (i64 i = 0; i < a.n; i += UNROLL) {
      stored_t<TI> x[UNROLL];
#pragma unroll
      for (int j = 0; j < UNROLL; j++) x[j] = i + j < a.n ? in[(i + j) * a.in_step] : stored_t<TI>{};
#pragma unroll
      for (int j = 0; j < UNROLL; j++)
        if (i + j < a.n) {
          s = F::combine(s, load_as<A, TI>(x[j]));
          out[(i + j) * a.out_step] = store_as<TO>(s);
        }
    }
  }
}

}  // namespace gems::simt
