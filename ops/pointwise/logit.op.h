#include "kernels/lang/lang.h"
struct logit {
  static constexpr gems::decl decl{.aten = "logit logit_ logit.out",
                                   .dtype = gems::rule::to_float,
                                   .par = 1,
                                   .missing = "- -1",
                                   .samples = {0.001, 0.999},
                                   .doc = "log(z / (1 - z)), z = self, within [eps, 1 - eps] if eps is given"};
  template <class V> GEMS_FN V operator()(V x, V eps) const {
    V hi = V(1) - eps, z = gems::select(x < eps, eps, gems::select(x > hi, hi, x));
    z = gems::select(eps < V(0), x, z);
    return gems::log(z / (V(1) - z));
  }
};
