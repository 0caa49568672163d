#include "kernels/lang/lang.h"
struct mean {
  static constexpr gems::decl decl{.aten = "mean mean.dim=mean_dim mean.dtype_out=mean_out mean.out=mean_dim_out",
                                   .fam = gems::family::reduce,
                                   .types = "fd",
                                   .doc = "sum over dimensions divided by the number of elements"};
  template <class A> static GEMS_FN A identity() { return A(0); }
  template <class A> static GEMS_FN A map(A x) { return x; }
  template <class A> static GEMS_FN A combine(A a, A b) { return a + b; }
  template <class A> static GEMS_FN A finish(A a, A count) { return a / count; }
};
