// Kernel arguments of the reduce, row and scan skeletons: plain structs, read by the kernels and by their planners.
#pragma once
#include "kernels/lang/base.h"

namespace gems::simt {

enum { kMaxKept = 6, kMaxReduced = 6 };  // dimensions after collapsing

struct Number {  // both forms, made on the host: no conversion from double in every thread
  double d;
  float f;
};

struct Divisor {  // the constants of Div (common.cuh) as the host writes them
  u32 d, mul, shift;
};

// Kept dimensions of NT operands, innermost last; strides in elements.
template <int NT> struct Kept {
  i64 size[kMaxKept];
  i64 stride[NT][kMaxKept];
  i64 rows;  // product of the sizes
  int ndim;
};

template <int NT> struct RowArgs {
  static constexpr bool dense = false;
  void* p[NT];   // outputs, then inputs; null where not given
  i64 step[NT];  // from element to element along the row
  Kept<NT> kept;
  i64 n;  // row length
  Number length, par[2];
};

// The usual case: elements side by side, one distance from row to row. A third of RowArgs, and no loop over dimensions: what
// stands between the start of a block and its first load took 1.1 us of layer_norm's 27.0 (4096x4096, bfloat16, H100).
template <int NT> struct DenseRowArgs {
  static constexpr bool dense = true;
  void* p[NT];
  i64 stride[NT];  // from row to row
  i64 rows, n;
  Number length, par[2];
};

// Room for one partial state: an accumulator for each output, a value and its position, or the slots of a reduction in passes.
GEMS_FN constexpr int kStateBytes(int outputs, int slots) { return slots > 2 ? slots * 8 : outputs > 2 ? outputs * 8 : 16; }

// `kept` counts outputs, or packs of neighbouring outputs (reduce_columns). The reduced dimensions count units: packs of the
// innermost one (reduce_lanes) or elements.
template <int NOUT, int NIN> struct ReduceArgs {
  void* p[NOUT + NIN];
  Kept<NOUT + NIN> kept;
  i64 out_step[NOUT];  // between the outputs of a pack
  i64 size[kMaxReduced], stride[NIN][kMaxReduced];
  Divisor div[kMaxReduced];
  i64 units;          // product of size[]
  i64 chunk;          // units of each split; blockIdx.y is the split
  void* partial;      // states [output][split]
  Number count;       // elements reduced into each output
  Number par;         // the functor's parameter
  int ndim, tail;     // reduced dimensions; elements behind the last pack
  int splits, small;  // small: units < 2^31
};

struct ScanArgs {
  void *out, *in;
  i64 out_step, in_step;  // along the scanned dimension
  Kept<2> kept;
  i64 n, chunk;   // elements of a row, of a segment; blockIdx.y is the segment
  void* partial;  // totals of the segments, [row][segment]
  int splits;
};

}  // namespace gems::simt
