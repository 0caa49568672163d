#include "kernels/lang/lang.h"
struct replication_pad3d_backward {
  static constexpr gems::decl decl{
      .aten = "replication_pad3d_backward replication_pad3d_backward.grad_input=replication_pad3d_backward_grad_input",
      .fam = gems::family::map,
      .in = 2,
      .par = 1,
      .types = "",
      .doc = "gradient of replication_pad3d: each element's sum over where it went"};
};
