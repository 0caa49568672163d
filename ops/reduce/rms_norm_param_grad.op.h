#include "kernels/lang/lang.h"
struct rms_norm_param_grad {
  static constexpr gems::decl decl{.fam = gems::family::reduce,
                                   .in = 3,
                                   .types = "fd",
                                   .doc = "grad, x, rstd -> gradient of rms_norm's weight (sum over the rows)"};
  template <class A> static GEMS_FN A identity() { return A(0); }
  template <class A, class E> static GEMS_FN void map(E e, A (&v)[1]) { v[0] = e(0) * (e(1) * e(2)); }
  template <class A> static GEMS_FN A combine(A a, A b) { return a + b; }
  template <class A> static GEMS_FN A finish(A a, A) { return a; }
};
