#include "kernels/lang/lang.h"
struct mse_loss {
  static constexpr gems::decl decl{.aten = "mse_loss mse_loss.out",
                                   .in = 2,
                                   .par = 1,
                                   .types = "fd=",
                                   .doc = "(self - target)^2; the reduction is mean or sum"};
  template <class V> GEMS_FN V operator()(V x, V y, V) const {
    V d = x - y;
    return d * d;
  }
};
