#include "kernels/lang/lang.h"
struct add_relu {
  static constexpr gems::decl decl{.aten = "_add_relu.Tensor=add_relu _add_relu_.Tensor=add_relu_ _add_relu.out=add_relu_out",
                                   .in = 2,
                                   .par = 1,
                                   .types = "f-=",
                                   .doc = "self + alpha * other, from 0 to the greatest number; 0 for NaN"};
  template <class V> GEMS_FN V operator()(V x, V y, V alpha) const {
    return gems::min(gems::max(x + alpha * y, V(0)), V(3.4028234663852886e38));
  }
};
