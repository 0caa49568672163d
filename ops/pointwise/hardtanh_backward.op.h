#include "kernels/lang/lang.h"
struct hardtanh_backward {
  static constexpr gems::decl decl{.aten = "hardtanh_backward hardtanh_backward.grad_input=hardtanh_backward_out",
                                   .in = 2,
                                   .par = 2,
                                   .types = "fd",
                                   .doc = "grad where self is within the bounds, else 0"};
  static constexpr bool exact = true;
  template <class V> GEMS_FN V operator()(V grad, V x, V lo, V hi) const {
    return gems::select((x <= lo) | (x >= hi), V(0), grad);
  }
};
