#include "kernels/lang/lang.h"
struct logit_backward {
  static constexpr gems::decl decl{.aten = "logit_backward logit_backward.grad_input=logit_backward_out",
                                   .in = 2,
                                   .par = 1,
                                   .missing = "- - -1",
                                   .samples = {0.001, 0.999},
                                   .doc = "grad / (x (1 - x)); 0, or NaN without eps, outside of [eps, 1 - eps]"};
  template <class V> GEMS_FN V operator()(V grad, V x, V eps) const {
    V y = grad / (x * (V(1) - x)), lo = gems::max(eps, V(0));
    return gems::select((x < lo) | (x > V(1) - lo), gems::select(eps < V(0), gems::nan<V>(), V(0)), y);
  }
};
