// The planner: from operands to a complete gems_call. Knows families, no operator by name and no chip.
//
// Use (a binding): fill call.op, call.nout/nin/npar, input tensors t[nout..], numbers; plan_<family>() resolves dtypes and
// the outputs' metadata; allocate outputs that the caller didn't give, put them into t[0..nout); build_<family>() makes `call.it`;
// run(call).
#pragma once
#include "core/base.h"
#include "core/registry.h"

namespace gems {

constexpr int kMaxRank = 16;  // of a caller's tensor; more: unsupported

struct OutMeta {  // an output that has to be allocated
  int64_t sizes[kMaxRank];
  int64_t strides[kMaxRank];  // set if !contiguous
  int ndim = 0;
  int dtype = 0;
  bool contiguous = true;
};

enum class Plan {
  ok,
  unsupported,     // plan_reason() says why: the native kernel runs
  shape_mismatch,  // as unsupported: the native kernel raises the framework's own error
};
GEMS_API const char* plan_reason();  // of this thread
Plan unsupported_plan(const char* reason);

struct PointwiseOptions {
  int default_dtype = GEMS_F32;       // of Python floats and of integers under rule::to_float
  int out_dtype = -1;                 // dtype of a given output (in-place, out=), -1: allocate
  bool same_dtype = false;            // the given output must have the result's dtype
  const gems_tensor* pars = nullptr;  // the parameters as numbers, for operators that promote some
};
// Resolves compute type, result dtype, scalar operands and the broadcast shape with TensorIterator's output layout.
GEMS_API Plan plan_pointwise(gems_call& call, const PointwiseOptions& opt, OutMeta& out);
// Outputs are in place: sorts, broadcasts and collapses the iteration space. Refuses overlap that isn't exact.
GEMS_API Plan build_pointwise(gems_call& call);
// The compute type of an operator for a common dtype: GEMS_F32, F64, I64, I32, BOOL; -1 if the operator doesn't declare it.
GEMS_API int compute_type(const gems_op_info* op, int common);
// Whether torch converts a number of the caller's program to this dtype: it raises for numbers that don't fit.
GEMS_API bool holds(gems_scalar v, int from_dtype, int dtype);
// Converts a number to the compute type's union member. `via`: round through this dtype first (torch casts most numbers to the
// common dtype), -1 = directly.
GEMS_API gems_scalar convert_scalar(gems_scalar v, int from_dtype, int compute, int via);

struct Reduction {
  uint64_t dims = 0;  // bit d: dimension d is reduced
  bool keepdim = false;
  int dtype = -1;  // requested dtype (sum(dtype=)), -1: by the operator's rule
};
// One input; out[0..nout): shape after reduction, dtype by rule (index reductions with two outputs: value, int64).
GEMS_API Plan plan_reduce(gems_call& call, const Reduction& r, int default_dtype, OutMeta* out);
GEMS_API Plan build_reduce(gems_call& call, const Reduction& r, bool keep_order);

// Row and scan families: operands in `roles`; `dim` is the first of `ndims` trailing or single dimensions that form the row.
// All r operands have the shape of input 0; v operands have the shape of the row dims; s operands that of the kept dims.
GEMS_API Plan build_row(gems_call& call, int dim, int ndims);

// out[...] = self[... idx ...]: `t` = out, self, index; index broadcasts to out's shape through the strides the caller gives.
// rank entries each; self stride along the indexed dim must be 0 already.
GEMS_API Plan build_index(gems_call& call, int rank, const int64_t* sizes, const int64_t* const* strides);

// Sort family, operators along lines: every operand has the input's dimensions but a length of its own along `dim`; it.size of the last
// dimension is the input's.
GEMS_API Plan build_lines(gems_call& call, int dim);

}  // namespace gems
