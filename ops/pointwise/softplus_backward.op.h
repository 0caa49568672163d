#include "kernels/lang/lang.h"
struct softplus_backward {
  static constexpr gems::decl decl{.aten = "softplus_backward softplus_backward.grad_input=softplus_backward_out",
                                   .in = 2,
                                   .par = 2,
                                   .samples = {-8, 30},
                                   .doc = "gradient of softplus"};
  template <class V> GEMS_FN V operator()(V grad, V x, V beta, V threshold) const {
    V z = x * beta, e = gems::exp(z);
    return gems::select(z > threshold, grad, grad * e / (e + V(1)));  // overflows where torch's does
  }
};
