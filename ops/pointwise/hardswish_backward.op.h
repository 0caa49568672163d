#include "kernels/lang/lang.h"
struct hardswish_backward {
  static constexpr gems::decl decl{.aten = "hardswish_backward hardswish_backward.out=hardswish_backward_out",
                                   .in = 2,
                                   .samples = {-6, 6},
                                   .doc = "gradient of hardswish"};
  template <class V> GEMS_FN V operator()(V grad, V x) const {
    return gems::select(x <= V(-3), V(0), gems::select(x < V(3), grad * (x / V(3) + V(0.5)), grad));
  }
};
