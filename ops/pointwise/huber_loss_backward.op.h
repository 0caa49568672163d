#include "kernels/lang/lang.h"
struct huber_loss_backward {
  static constexpr gems::decl decl{.aten = "huber_loss_backward huber_loss_backward.out=huber_loss_backward_out",
                                   .in = 3,
                                   .par = 2,
                                   .types = "fd=",
                                   .doc = "gradient of huber_loss"};
  template <class V> GEMS_FN V operator()(V grad, V x, V y, V norm, V delta) const {
    V d = x - y, g = norm * grad;
    return gems::select(d <= -delta, -g * delta, gems::select(d >= delta, g * delta, g * d));
  }
};
