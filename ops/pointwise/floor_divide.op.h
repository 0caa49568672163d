#include "kernels/lang/lang.h"
struct floor_divide {
  static constexpr gems::decl decl{.aten =
                                       "floor_divide=floor_divide_tensor floor_divide.Scalar=floor_divide_scalar "
                                       "floor_divide_.Tensor=floor_divide_tensor_ "
                                       "floor_divide_.Scalar=floor_divide_scalar_ floor_divide.out "
                                       "floor_divide.Scalar_out=floor_divide_scalar_out",
                                   .in = 2,
                                   .wide = 0x22,
                                   .types = "fdli",
                                   .samples = {0.5, 4},
                                   .doc = "floor(self / other)"};
  template <class V> GEMS_FN V operator()(V x, V y) const { return gems::floor_divide(x, y); }
  template <class V>
  requires(!gems::is_same<V, int>) GEMS_FN bool rare(V x, V y) const { return gems::fmod_rare(x, y); }
  template <class V> GEMS_FN V slow(V x, V y) const { return gems::floor_divide_from(gems::exact::fmod(x, y), x, y); }
  template <class V>
  requires gems::integer<V> GEMS_FN bool invalid(V, V y) const { return y == V(0); }
  static constexpr const char* error = "ZeroDivisionError";
};
