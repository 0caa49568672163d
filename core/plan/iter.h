// Shared by the family planners: broadcasting, sorting and collapsing of dimensions.
#pragma once
#include "core/plan/plan.h"

namespace gems {

// An iteration space before collapsing, in the callers' dimension order (outermost first).
struct Space {
  int ndim = 0, nops = 0;
  int64_t size[kMaxRank];
  int64_t stride[GEMS_MAX_OPERANDS][kMaxRank];
};

// Strides of `t` against a broadcast shape (`ndim` sizes, aligned right); scalars and absent operands get zeros.
void broadcast_strides(const gems_tensor& t, const int64_t* sizes, int ndim, int64_t* out);

// TensorIterator's order of dimensions (at::TensorIteratorBase::reorder_dimensions): perm[0] is the fastest dimension.
// `first` .. nops are the operands that are looked at (outputs first when they exist).
void order_dims(const Space& s, int first, int* perm);

// Writes dims perm[from, to) (fastest first) of `s` into it.size/stride behind the `at` dims that are there, merging what is
// dense for every operand. Returns the new number of dims, or -1 if there are more than GEMS_MAX_DIMS.
int collapse(const Space& s, const int* perm, int from, int to, gems_iter& it, int at);

// Could two different indices of the space hit the same address? (zero strides, or strides that don't nest)
GEMS_API bool overlaps_itself(const gems_tensor& t);
// Do the memory ranges of a and b meet, other than a being exactly b?
GEMS_API bool overlaps_partly(const gems_tensor& a, const gems_tensor& b);

}  // namespace gems
