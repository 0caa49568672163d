#include "kernels/lang/lang.h"
struct soft_margin_loss_backward {
  static constexpr gems::decl decl{
      .aten = "soft_margin_loss_backward soft_margin_loss_backward.grad_input=soft_margin_loss_backward_out",
      .in = 3,
      .par = 1,
      .types = "fd=",
      .doc = "gradient of soft_margin_loss"};
  template <class V> GEMS_FN V operator()(V grad, V x, V y, V norm) const { return -norm * y * grad * gems::sigmoid(-y * x); }
};
