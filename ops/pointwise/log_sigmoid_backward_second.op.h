#include "kernels/lang/lang.h"
struct log_sigmoid_backward_second {
  static constexpr gems::decl decl{.in = 3,
                                   .types = "fd=",
                                   .samples = {-8, 8},
                                   .doc = "grad * (1 - sigmoid(self)) by b = e^-|self|, which the forward call kept"};
  template <class V> GEMS_FN V operator()(V grad, V x, V b) const {
    return grad * (gems::select(x < V(0), V(1), b) / (V(1) + b));
  }
};
