#include "kernels/lang/lang.h"
struct leaky_relu_backward {
  static constexpr gems::decl decl{.aten = "leaky_relu_backward leaky_relu_backward.grad_input=leaky_relu_backward_out",
                                   .in = 2,
                                   .par = 1,
                                   .types = "fd",
                                   .doc = "grad where self is positive, else slope * grad"};
  template <class V> GEMS_FN V operator()(V grad, V x, V slope) const { return gems::select(x > V(0), grad, grad * slope); }
};
