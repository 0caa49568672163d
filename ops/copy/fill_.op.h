#include "kernels/lang/lang.h"
struct fill_ {
  static constexpr gems::decl decl{
      .aten = "fill_.Scalar=fill_scalar_ fill_.Tensor=fill_tensor_", .fam = gems::family::copy, .in = 2, .doc = "self = value"};
};
