// Kernel arguments of the reduce, row and scan skeletons: plain structs, read by the kernels and by their planners.
#pragma once
#include "kernels/lang/base.h"

namespace gems::simt {

enum { kMaxKept = 6, kMaxReduced = 6 };  // dimensions after collapsing

struct Number {  // both forms, made on the host: no conversion from double in every thread
  double d;
  float f;
};

// Quotient by a divisor known at launch, for n < 2^31: one multiply-high, one addition, one shift.
struct FastDiv {
  u32 d, m, s;
};

// Kept dimensions of NT operands, innermost last; strides in elements.
template <int NT> struct Kept {
  i64 size[kMaxKept];
  i64 stride[NT][kMaxKept];
  i64 rows;  // product of the sizes
  int ndim;
};

template <int NT> struct RowArgs {
  void* p[NT];   // outputs, then inputs; null where not given
  i64 step[NT];  // from element to element along the row
  Kept<NT> kept;
  i64 n;  // row length
  Number length, par[2];
};

}  // namespace gems::simt
