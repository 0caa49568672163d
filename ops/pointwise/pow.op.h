#include "kernels/lang/lang.h"
struct pow {
  static constexpr gems::decl decl{.aten =
                                       "pow.Tensor_Tensor=pow_tensor_tensor pow.Scalar=pow_scalar "
                                       "pow_.Tensor=pow_tensor_tensor_ pow.Tensor_Tensor_out=pow_tensor_tensor_out "
                                       "pow.Scalar_out=pow_scalar_out",
                                   .in = 2,
                                   .types = "fdli",
                                   .samples = {0.1, 4},
                                   .doc = "self to the power of exponent"};
  template <class V> GEMS_FN V operator()(V x, V y) const { return gems::pow(x, y); }
  template <class V>
  requires gems::integer<V> GEMS_FN bool rare(V, V y) const { return gems::pow_rare(y); }
  template <class V> GEMS_FN V slow(V x, V y) const { return gems::exact::pow(x, y); }
};
