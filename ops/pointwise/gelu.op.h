#include "kernels/lang/lang.h"
struct gelu {
  static constexpr gems::decl decl{.aten = "gelu gelu_ gelu.out",
                                   .par = 1,
                                   .choices = "none tanh",
                                   .samples = {-8, 8},
                                   .doc = "x * Phi(x), Phi the normal distribution; or its tanh approximation"};
  template <class V> GEMS_FN V operator()(V x, V approximate) const {
    return approximate == V(0) ? gems::gelu(x) : gems::gelu_tanh(x);
  }
};
