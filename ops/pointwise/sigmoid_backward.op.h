#include "kernels/lang/lang.h"
struct sigmoid_backward {
  static constexpr gems::decl decl{.aten = "sigmoid_backward sigmoid_backward.grad_input=sigmoid_backward_out",
                                   .in = 2,
                                   .doc = "grad * (1 - y) * y, y = sigmoid(x)"};
  template <class V> GEMS_FN V operator()(V grad, V y) const { return grad * (V(1) - y) * y; }
};
