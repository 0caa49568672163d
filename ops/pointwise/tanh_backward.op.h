#include "kernels/lang/lang.h"
struct tanh_backward {
  static constexpr gems::decl decl{
      .aten = "tanh_backward tanh_backward.grad_input=tanh_backward_out", .in = 2, .doc = "grad * (1 - y * y), y = tanh(x)"};
  template <class V> GEMS_FN V operator()(V grad, V y) const { return grad * (V(1) - y * y); }
};
