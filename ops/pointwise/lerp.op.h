#include "kernels/lang/lang.h"
struct lerp {
  static constexpr gems::decl decl{.aten = "lerp.Tensor=lerp_tensor lerp_.Tensor=lerp_tensor_ lerp.Tensor_out=lerp_tensor_out",
                                   .in = 3,
                                   .types = "fd=",
                                   .doc = "self + weight * (end - self)"};
  template <class V> GEMS_FN V operator()(V x, V y, V weight) const {
    bool near = gems::abs(weight) < V(0.5);
    return gems::select(near, x, y) + gems::select(near, weight, weight - V(1)) * (y - x);
  }
};
