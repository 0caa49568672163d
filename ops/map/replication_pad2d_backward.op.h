#include "kernels/lang/lang.h"
struct replication_pad2d_backward {
  static constexpr gems::decl decl{
      .aten = "replication_pad2d_backward replication_pad2d_backward.grad_input=replication_pad2d_backward_grad_input",
      .fam = gems::family::map,
      .in = 2,
      .par = 1,
      .types = "",
      .doc = "gradient of replication_pad2d: each element's sum over where it went"};
};
