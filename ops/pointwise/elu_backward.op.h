#include "kernels/lang/lang.h"
struct elu_backward {
  static constexpr gems::decl decl{.aten = "elu_backward elu_backward.grad_input=elu_backward_out",
                                   .in = 2,
                                   .par = 4,
                                   .types = "fd=",
                                   .samples = {-8, 8},
                                   .doc = "gradient of elu, from its argument or its result"};
  template <class V> GEMS_FN V operator()(V grad, V x, V alpha, V scale, V input_scale, V is_result) const {
    V k = alpha * scale, g = grad * input_scale;
    V negative = gems::blend(is_result, g * (x + k), g * k * gems::exp(gems::min(V(0), x * input_scale)));
    return gems::select(x <= V(0), negative, grad * scale);
  }
};
