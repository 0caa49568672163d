#include "kernels/lang/lang.h"
struct glu_backward_second {
  static constexpr gems::decl decl{.in = 3, .samples = {-8, 8}, .doc = "gradient of glu by the second half"};
  template <class V> GEMS_FN V operator()(V grad, V x, V y) const {
    V e = gems::exp(-gems::abs(y));
    return grad * x * (e / ((V(1) + e) * (V(1) + e)));
  }
};
