#include "kernels/lang/lang.h"
struct prelu_backward {
  static constexpr gems::decl decl{.aten = "_prelu_kernel_backward=prelu_kernel_backward",
                                   .in = 3,
                                   .types = "fd=",
                                   .doc = "gradients of prelu by self and by weight"};
  template <class V> GEMS_FN V operator()(V grad, V x, V weight) const { return gems::select(x > V(0), grad, weight * grad); }
};
