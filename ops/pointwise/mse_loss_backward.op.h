#include "kernels/lang/lang.h"
struct mse_loss_backward {
  static constexpr gems::decl decl{.aten = "mse_loss_backward mse_loss_backward.grad_input=mse_loss_backward_out",
                                   .in = 3,
                                   .par = 1,
                                   .types = "fd=",
                                   .doc = "gradient of mse_loss"};
  template <class V> GEMS_FN V operator()(V grad, V x, V y, V norm) const { return V(2) * norm * (x - y) * grad; }
};
