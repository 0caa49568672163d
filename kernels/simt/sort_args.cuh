// Arguments of the sort family's kernels.
#pragma once
#include "kernels/simt/team_args.cuh"

namespace gems::simt {

struct LinesArgs {
  void *values, *indices;
  const void* in;
  i64 step[3];    // values, indices, in: along the line
  Kept<3> kept;   // the same order
  i64 n, m, k;    // length of a line and of its result; what nth looks for
  int flag, pad;  // descending, largest, least; rule of nth
};

}  // namespace gems::simt
