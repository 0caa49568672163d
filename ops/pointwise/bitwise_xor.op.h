#include "kernels/lang/lang.h"
struct bitwise_xor {
  static constexpr gems::decl decl{.aten =
                                       "bitwise_xor.Tensor=bitwise_xor_tensor bitwise_xor.Scalar=bitwise_xor_scalar "
                                       "bitwise_xor.Scalar_Tensor=bitwise_xor_scalar_tensor "
                                       "bitwise_xor_.Tensor=bitwise_xor_tensor_ bitwise_xor_.Scalar=bitwise_xor_scalar_ "
                                       "bitwise_xor.Tensor_out=bitwise_xor_tensor_out "
                                       "bitwise_xor.Scalar_out=bitwise_xor_scalar_out "
                                       "bitwise_xor.Scalar_Tensor_out=bitwise_xor_scalar_tensor_out",
                                   .in = 2,
                                   .types = "lib",
                                   .doc = "self ^ other"};
  template <class V> GEMS_FN V operator()(V x, V y) const { return x ^ y; }
};
