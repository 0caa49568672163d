#include "kernels/lang/lang.h"
struct smooth_l1_loss_backward {
  static constexpr gems::decl decl{
      .aten = "smooth_l1_loss_backward smooth_l1_loss_backward.grad_input=smooth_l1_loss_backward_out",
      .in = 3,
      .par = 2,
      .types = "fd=",
      .doc = "gradient of smooth_l1_loss"};
  template <class V> GEMS_FN V operator()(V grad, V x, V y, V norm, V beta) const {
    V d = x - y, g = norm * grad;
    return gems::select(d <= -beta, -g, gems::select(d >= beta, g, g * d / beta));
  }
};
