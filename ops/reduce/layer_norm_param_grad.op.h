#include "kernels/lang/lang.h"
struct layer_norm_param_grad {
  static constexpr gems::decl decl{.fam = gems::family::reduce,
                                   .in = 4,
                                   .out = 2,
                                   .types = "fd",
                                   .doc =
                                       "grad, x, mean, rstd -> gradients of layer_norm's weight and bias (sums over the "
                                       "rows)"};
  template <class A> static GEMS_FN A identity() { return A(0); }
  template <class A, class E> static GEMS_FN void map(E e, A (&v)[2]) {
    A g = e(0);
    v[0] = g * ((e(1) - e(2)) * e(3));
    v[1] = g;
  }
  template <class A> static GEMS_FN A combine(A a, A b) { return a + b; }
  template <class A> static GEMS_FN A finish(A a, A) { return a; }
};
