#include "kernels/lang/lang.h"
struct glu_backward_second {
  static constexpr gems::decl decl{
      .in = 3, .samples = {-8, 8}, .doc = "gradient of glu by the second half: grad * x * s * (1 - s), x the first half"};
  template <class V> GEMS_FN V operator()(V grad, V x, V s) const { return grad * x * s * (V(1) - s); }
};
