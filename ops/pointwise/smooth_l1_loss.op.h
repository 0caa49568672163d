#include "kernels/lang/lang.h"
struct smooth_l1_loss {
  static constexpr gems::decl decl{.aten = "smooth_l1_loss smooth_l1_loss.out",
                                   .in = 2,
                                   .par = 2,
                                   .types = "fd=",
                                   .doc = "0.5 d^2 / beta for d = |self - target| below beta, else d - 0.5 beta"};
  template <class V> GEMS_FN V operator()(V x, V y, V, V beta) const {
    V d = gems::abs(x - y);
    return gems::select(d < beta, V(0.5) * d * d / beta, d - V(0.5) * beta);
  }
};
