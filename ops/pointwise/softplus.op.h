#include "kernels/lang/lang.h"
struct softplus {
  static constexpr gems::decl decl{.aten = "softplus softplus.out",
                                   .par = 2,
                                   .samples = {-8, 30},
                                   .doc = "log(1 + e^(beta * self)) / beta; self where beta * self exceeds threshold"};
  template <class V> GEMS_FN V operator()(V x, V beta, V threshold) const {
    V z = x * beta;
    return gems::select(z > threshold, x, gems::softplus(z) / beta);
  }
};
