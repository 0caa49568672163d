#include "kernels/lang/lang.h"
struct elu {
  static constexpr gems::decl decl{.aten = "elu elu_ elu.out",
                                   .par = 3,
                                   .samples = {-8, 8},
                                   .doc = "scale * (self where positive, else alpha * (e^(input_scale * self) - 1))"};
  template <class V> GEMS_FN V operator()(V x, V alpha, V scale, V input_scale) const {
    return gems::select(x < V(0), gems::expm1(x * input_scale) * (alpha * scale), x * scale);
  }
};
