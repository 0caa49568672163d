#include "kernels/lang/lang.h"
struct reflection_pad3d_backward {
  static constexpr gems::decl decl{
      .aten = "reflection_pad3d_backward reflection_pad3d_backward.grad_input=reflection_pad3d_backward_grad_input",
      .fam = gems::family::map,
      .in = 2,
      .par = 1,
      .types = "",
      .doc = "gradient of reflection_pad3d: each element's sum over where it went"};
};
