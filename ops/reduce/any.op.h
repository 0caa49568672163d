#include "kernels/lang/lang.h"
struct any {
  static constexpr gems::decl decl{.aten =
                                       "any any.dim=any_dim any.dims=any_dims any.all_out=any_out any.out=any_dim_out "
                                       "any.dims_out=any_dims_out",
                                   .fam = gems::family::reduce,
                                   .dtype = gems::rule::boolean,
                                   .types = "fdl",
                                   .doc = "is any element not zero"};
  static constexpr bool truth = true;  // only zero or not matters: a CPU walks bytes and stops at a decided result
  // Truth values are 0 and 1 in the accumulator; uint8 tensors keep their type, as in torch (the planner's rule).
  template <class A> static GEMS_FN A identity() { return A(0); }
  template <class A> static GEMS_FN A map(A x) { return A(x != A(0)); }
  template <class A> static GEMS_FN A combine(A a, A b) { return gems::select(a > b, a, b); }
  template <class A> static GEMS_FN A finish(A a, A) { return a; }
};
