#include "kernels/lang/lang.h"
struct lerp_scalar {
  static constexpr gems::decl decl{.aten = "lerp.Scalar=lerp_scalar lerp_.Scalar=lerp_scalar_ lerp.Scalar_out=lerp_scalar_out",
                                   .in = 2,
                                   .par = 1,
                                   .types = "fd=",
                                   .doc = "self + weight * (end - self), one weight"};
  template <class V> GEMS_FN V operator()(V x, V y, V weight) const {
    V near = V(gems::abs(weight) < V(0.5));
    return gems::blend(near, x, y) + (weight - (V(1) - near)) * (y - x);
  }
};
