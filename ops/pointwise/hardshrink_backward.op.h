#include "kernels/lang/lang.h"
struct hardshrink_backward {
  static constexpr gems::decl decl{.aten = "hardshrink_backward hardshrink_backward.grad_input=hardshrink_backward_out",
                                   .in = 2,
                                   .par = 1,
                                   .types = "fd",
                                   .doc = "0 where self is within [-lambd, lambd], else grad"};
  static constexpr bool exact = true;
  template <class V> GEMS_FN V operator()(V grad, V x, V lambd) const {
    return gems::select((x >= -lambd) & (x <= lambd), V(0), grad);
  }
};
