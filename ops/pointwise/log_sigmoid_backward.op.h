#include "kernels/lang/lang.h"
struct log_sigmoid_backward {
  static constexpr gems::decl decl{.aten = "log_sigmoid_backward log_sigmoid_backward.grad_input=log_sigmoid_backward_out",
                                   .in = 2,
                                   .types = "fd=",
                                   .samples = {-8, 8},
                                   .doc = "grad * (1 - sigmoid(self)); on a GPU, where the forward call keeps nothing"};
  template <class V> GEMS_FN V operator()(V grad, V x) const { return grad * gems::sigmoid(-x); }
};
