#include "kernels/lang/lang.h"
struct lerp {
  static constexpr gems::decl decl{.aten =
                                       "lerp.Tensor=lerp_tensor lerp.Scalar=lerp_scalar lerp_.Tensor=lerp_tensor_ "
                                       "lerp_.Scalar=lerp_scalar_ lerp.Tensor_out=lerp_tensor_out "
                                       "lerp.Scalar_out=lerp_scalar_out",
                                   .in = 3,
                                   .doc = "self + weight * (end - self)"};
  template <class V> GEMS_FN V operator()(V x, V end, V w) const {
    // Exact at both ends: for weights from a half up it starts from `end`, as ATen does.
    V d = end - x;
    return gems::select(gems::abs(w) < V(0.5), x + w * d, end - d * (V(1) - w));
  }
};
