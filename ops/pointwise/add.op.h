#include "kernels/lang/lang.h"
struct add {
  static constexpr gems::decl decl{.aten = "add.Tensor add.Scalar add_.Tensor add_.Scalar add.out add.Scalar_out=add_out",
                                   .in = 2,
                                   .par = 1,
                                   .wide = 0x30,
                                   .types = "fdlib",
                                   .doc = "self + alpha * other"};
  template <class V> GEMS_FN V operator()(V x, V y, V alpha) const {
    if constexpr (gems::is_same<V, bool>) return x | (y & alpha);
    else return x + alpha * y;
  }
};
