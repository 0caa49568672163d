#include "kernels/lang/lang.h"
struct div_mode {
  static constexpr gems::decl decl{.aten =
                                       "div.Tensor_mode=div_mode div.Scalar_mode=div_mode div_.Tensor_mode=div_mode_ "
                                       "div_.Scalar_mode=div_mode_ div.out_mode=div_mode_out "
                                       "div.Scalar_mode_out=div_mode_out",
                                   .in = 2,
                                   .par = 1,
                                   .wide = 0x22,
                                   .types = "fdli",
                                   .choices = "trunc floor",
                                   .samples = {0.5, 4},
                                   .doc = "self / other rounded to an integer; without a rounding mode native"};
  template <class V> GEMS_FN V operator()(V x, V y, V mode) const {
    return mode == V(0) ? gems::divide_trunc(x, y) : gems::floor_divide(x, y);
  }
  template <class V>
  requires(!gems::is_same<V, int>) GEMS_FN bool rare(V x, V y, V mode) const {
    return (gems::integer<V> | (mode != V(0))) & gems::fmod_rare(x, y);
  }
  template <class V> GEMS_FN V slow(V x, V y, V mode) const {
    if constexpr (gems::integer<V>)
      if (mode == V(0)) return gems::exact::divide_trunc(x, y);
    return gems::floor_divide_from(gems::exact::fmod(x, y), x, y);
  }
  template <class V>
  requires gems::integer<V> GEMS_FN bool invalid(V, V y, V) const { return y == V(0); }
  static constexpr const char* error = "ZeroDivisionError";
};
