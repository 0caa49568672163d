#include "kernels/lang/lang.h"
struct glu_backward {
  static constexpr gems::decl decl{.aten = "glu_backward glu_backward.grad_input=glu_backward_out",
                                   .in = 2,
                                   .samples = {-8, 8},
                                   .doc = "gradient of glu by the first half: grad * sigmoid(second half)"};
  template <class V> GEMS_FN V operator()(V grad, V y) const { return grad * gems::sigmoid(y); }
};
