#include "kernels/lang/lang.h"
struct nll_loss_backward {
  static constexpr gems::decl decl{.aten =
                                       "nll_loss_backward nll_loss_backward.grad_input=nll_loss_backward_out nll_loss2d_backward "
                                       "nll_loss2d_backward.grad_input=nll_loss2d_backward_out",
                                   .fam = gems::family::index,
                                   .in = 4,
                                   .par = 4,
                                   .types = "fd",
                                   .doc = "gradient of nll_loss: zeros but for the target classes"};
};
