#include "kernels/lang/lang.h"
struct binary_cross_entropy_backward {
  static constexpr gems::decl decl{
      .aten = "binary_cross_entropy_backward binary_cross_entropy_backward.grad_input=binary_cross_entropy_backward_out",
      .in = 4,
      .par = 1,
      .types = "fd=",
      .missing = "- - - 1",
      .samples = {0.01, 0.99},
      .doc = "gradient of binary_cross_entropy"};
  template <class V> GEMS_FN V operator()(V grad, V x, V y, V weight, V norm) const {
    return grad * (x - y) / gems::max((V(1) - x) * x, V(1e-12)) * weight * norm;
  }
};
