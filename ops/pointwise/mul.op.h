#include "kernels/lang/lang.h"
struct mul {
  static constexpr gems::decl decl{.aten = "mul.Tensor mul.Scalar mul_.Tensor mul_.Scalar mul.out mul.Scalar_out=mul_out",
                                   .in = 2,
                                   .wide = 0x32,
                                   .types = "fdlib",
                                   .doc = "self * other"};
  template <class V> GEMS_FN V operator()(V x, V y) const {
    if constexpr (gems::is_same<V, bool>) return x & y;
    else return x * y;
  }
};
