#include "kernels/lang/lang.h"
struct bitwise_or {
  static constexpr gems::decl decl{.aten =
                                       "bitwise_or.Tensor=bitwise_or_tensor bitwise_or.Scalar=bitwise_or_scalar "
                                       "bitwise_or.Scalar_Tensor=bitwise_or_scalar_tensor "
                                       "bitwise_or_.Tensor=bitwise_or_tensor_ bitwise_or_.Scalar=bitwise_or_scalar_ "
                                       "bitwise_or.Tensor_out=bitwise_or_tensor_out "
                                       "bitwise_or.Scalar_out=bitwise_or_scalar_out "
                                       "bitwise_or.Scalar_Tensor_out=bitwise_or_scalar_tensor_out",
                                   .in = 2,
                                   .types = "lib",
                                   .doc = "self | other"};
  template <class V> GEMS_FN V operator()(V x, V y) const { return x | y; }
};
