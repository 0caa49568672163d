#include "kernels/lang/lang.h"
struct log_sigmoid {
  static constexpr gems::decl decl{.aten = "log_sigmoid_forward log_sigmoid_forward.output=log_sigmoid_forward_out",
                                   .samples = {-8, 8},
                                   .doc = "log(sigmoid(self)), and e^-|self| for the gradient"};
  template <class V> GEMS_FN V operator()(V x) const { return gems::log_sigmoid(x); }
};
