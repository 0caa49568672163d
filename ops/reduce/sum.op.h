#include "kernels/lang/lang.h"
struct sum {
  static constexpr gems::decl decl{.aten = "sum sum.dim_IntList=sum_dim sum.out=sum_out sum.IntList_out=sum_dim_out trace",
                                   .fam = gems::family::reduce,
                                   .dtype = gems::rule::sum,
                                   .types = "fdl",
                                   .doc = "sum over dimensions"};
  template <class A> static GEMS_FN A identity() { return A(0); }
  template <class A> static GEMS_FN A map(A x) { return x; }
  template <class A> static GEMS_FN A combine(A a, A b) { return a + b; }
  template <class A> static GEMS_FN A finish(A a, A) { return a; }  // second argument: number of elements reduced
};
