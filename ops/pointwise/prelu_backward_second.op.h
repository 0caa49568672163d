#include "kernels/lang/lang.h"
struct prelu_backward_second {
  static constexpr gems::decl decl{.in = 3, .types = "fd=", .doc = "the gradient of prelu by weight, before it is summed"};
  template <class V> GEMS_FN V operator()(V grad, V x, V) const { return gems::select(x > V(0), V(0), x * grad); }
};
