#include "kernels/lang/lang.h"
struct huber_loss {
  static constexpr gems::decl decl{.aten = "huber_loss huber_loss.out",
                                   .in = 2,
                                   .par = 2,
                                   .types = "fd=",
                                   .doc = "0.5 d^2 for d = |self - target| up to delta, else delta * (d - 0.5 delta)"};
  template <class V> GEMS_FN V operator()(V x, V y, V, V delta) const {
    V d = gems::abs(x - y);
    return gems::select(d <= delta, V(0.5) * d * d, delta * (d - V(0.5) * delta));
  }
};
