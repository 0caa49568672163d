#include "kernels/lang/lang.h"
struct silu_backward {
  static constexpr gems::decl decl{.aten = "silu_backward silu_backward.grad_input=silu_backward_out",
                                   .in = 2,
                                   .samples = {-8, 8},
                                   .doc = "grad * s * (1 + x * (1 - s)), s = sigmoid(x)"};
  template <class V> GEMS_FN V operator()(V grad, V x) const {
    V s = gems::sigmoid(x);
    return grad * s * (V(1) + x * (V(1) - s));
  }
};
