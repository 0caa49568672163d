#include "kernels/lang/lang.h"
struct all {
  static constexpr gems::decl decl{.aten =
                                       "all all.dim=all_dim all.dims=all_dims all.all_out=all_out all.out=all_dim_out "
                                       "all.dims_out=all_dims_out",
                                   .fam = gems::family::reduce,
                                   .dtype = gems::rule::boolean,
                                   .types = "fdl",
                                   .doc = "are all elements not zero"};
  static constexpr bool truth = true;  // only zero or not matters: a CPU walks bytes and stops at a decided result
  // Truth values are 0 and 1 in the accumulator; uint8 tensors keep their type, as in torch (the planner's rule).
  template <class A> static GEMS_FN A identity() { return A(1); }
  template <class A> static GEMS_FN A map(A x) { return A(x != A(0)); }
  template <class A> static GEMS_FN A combine(A a, A b) { return gems::select(a < b, a, b); }
  template <class A> static GEMS_FN A finish(A a, A) { return a; }
};
