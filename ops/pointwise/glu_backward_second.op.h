#include "kernels/lang/lang.h"
struct glu_backward_second {
  static constexpr gems::decl decl{.in = 3, .samples = {-8, 8}, .doc = "gradient of glu by the second half"};
  template <class V> GEMS_FN V operator()(V grad, V x, V y) const {
    V s = gems::sigmoid(y);
    return grad * x * s * (V(1) - s);
  }
};
