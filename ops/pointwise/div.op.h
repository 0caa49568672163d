#include "kernels/lang/lang.h"
struct div {
  static constexpr gems::decl decl{.aten =
                                       "div.Tensor=div_tensor div.Scalar=div_scalar div_.Tensor=div_tensor_ "
                                       "div_.Scalar=div_scalar_ div.out div.Scalar_out=div_scalar_out",
                                   .dtype = gems::rule::to_float,
                                   .in = 2,
                                   .wide = 0x22,
                                   .samples = {0.5, 4},
                                   .doc = "self / other"};
  template <class V> GEMS_FN V operator()(V x, V y) const { return x / y; }
};
