#include "kernels/lang/lang.h"
struct nll_loss {
  static constexpr gems::decl decl{
      .aten =
          "nll_loss_forward nll_loss_forward.output=nll_loss_forward_out nll_loss2d_forward "
          "nll_loss2d_forward.output=nll_loss2d_forward_out",
      .fam = gems::family::index,
      .in = 3,
      .par = 4,
      .out = 2,
      .types = "fd",
      .doc = "minus the weighted elements at the target classes, each, their mean or sum; sum of the weights"};
};
