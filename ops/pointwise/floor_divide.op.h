#include "kernels/lang/lang.h"
struct floor_divide {
  static constexpr gems::decl decl{.aten =
                                       "floor_divide=floor_divide_tensor floor_divide.Scalar=floor_divide_scalar "
                                       "floor_divide_.Tensor=floor_divide_tensor_ "
                                       "floor_divide_.Scalar=floor_divide_scalar_ floor_divide.out "
                                       "floor_divide.Scalar_out=floor_divide_scalar_out",
                                   .in = 2,
                                   .samples = {0.5, 4},
                                   .doc = "floor(self / other); integers run natively (division by zero is an error)"};
  template <class V> GEMS_FN V operator()(V x, V y) const { return gems::floor_divide(x, y); }
  template <class V> GEMS_FN bool rare(V x, V y) const { return gems::fmod_rare(x, y); }
  template <class V> GEMS_FN V slow(V x, V y) const { return gems::floor_divide_from(gems::exact::fmod(x, y), x, y); }
};
