#include "kernels/lang/lang.h"
struct gelu_backward {
  static constexpr gems::decl decl{.aten = "gelu_backward gelu_backward.grad_input=gelu_backward_out",
                                   .in = 2,
                                   .par = 1,
                                   .choices = "none tanh",
                                   .samples = {-8, 8},
                                   .doc = "gradient of gelu"};
  template <class V> GEMS_FN V operator()(V grad, V x, V approximate) const {
    return approximate == V(0) ? grad * gems::gelu_slope(x) : grad * gems::gelu_tanh_slope(x);
  }
};
