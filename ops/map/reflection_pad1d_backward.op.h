#include "kernels/lang/lang.h"
struct reflection_pad1d_backward {
  static constexpr gems::decl decl{
      .aten = "reflection_pad1d_backward reflection_pad1d_backward.grad_input=reflection_pad1d_backward_grad_input",
      .fam = gems::family::map,
      .in = 2,
      .par = 1,
      .types = "",
      .doc = "gradient of reflection_pad1d: each element's sum over where it went"};
};
