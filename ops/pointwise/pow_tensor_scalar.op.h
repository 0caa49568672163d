#include "kernels/lang/lang.h"
struct pow_tensor_scalar {
  static constexpr gems::decl decl{.aten =
                                       "pow.Tensor_Scalar=pow_tensor_scalar pow_.Scalar=pow_tensor_scalar_ "
                                       "pow.Tensor_Scalar_out=pow_tensor_scalar_out",
                                   .par = 1,
                                   .promote = 1,
                                   .types = "fdlib",
                                   .samples = {0.1, 4},
                                   .doc = "self to the power of a number"};
  template <class V> GEMS_FN V operator()(V x, V y) const {
    if constexpr (!gems::is_same<V, bool>) {
      if (y == V(2)) return x * x;
      if (y == V(3)) return x * x * x;
    }
    if constexpr (gems::is_float<V>) {
      if (y == V(0.5)) return gems::sqrt(x);
      if (y == V(-0.5)) return gems::rsqrt(x);
      if (y == V(-1)) return V(1) / x;
      if (y == V(-2)) return V(1) / (x * x);
    }
    return general(x, y);
  }
  template <class V> GEMS_FN V general(V x, V y) const {
    if constexpr (gems::is_same<V, bool>) return x | !y;
    else return gems::pow(x, y);
  }
  static constexpr double known[] = {2, 3, 0.5, -0.5, -1, -2};
  template <class V>
  requires gems::integer<V> GEMS_FN bool rare(V, V y) const { return gems::pow_rare(y); }
  template <class V> GEMS_FN V slow(V x, V y) const { return gems::exact::pow(x, y); }
};
