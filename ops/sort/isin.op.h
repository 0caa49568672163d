#include "kernels/lang/lang.h"
struct isin {
  static constexpr gems::decl decl{
      .aten = "isin.Tensor_Tensor isin.Scalar_Tensor=isin_scalar_tensor isin.Tensor_Tensor_out isin.Scalar_Tensor_out",
      .fam = gems::family::sort,
      .in = 2,
      .out = 1,
      .types = "",
      .roles = "i",
      .doc = "whether elements are among others"};
};
