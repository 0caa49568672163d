#include "kernels/lang/lang.h"
struct hardsigmoid_backward {
  static constexpr gems::decl decl{.aten = "hardsigmoid_backward hardsigmoid_backward.grad_input=hardsigmoid_backward_out",
                                   .in = 2,
                                   .samples = {-6, 6},
                                   .doc = "gradient of hardsigmoid"};
  template <class V> GEMS_FN V operator()(V grad, V x) const {
    return gems::select((x > V(-3)) & (x < V(3)), grad * V(1.f / 6), V(0));
  }
};
