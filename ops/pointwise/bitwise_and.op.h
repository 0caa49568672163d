#include "kernels/lang/lang.h"
struct bitwise_and {
  static constexpr gems::decl decl{.aten =
                                       "bitwise_and.Tensor=bitwise_and_tensor bitwise_and.Scalar=bitwise_and_scalar "
                                       "bitwise_and.Scalar_Tensor=bitwise_and_scalar_tensor "
                                       "bitwise_and_.Tensor=bitwise_and_tensor_ bitwise_and_.Scalar=bitwise_and_scalar_ "
                                       "bitwise_and.Tensor_out=bitwise_and_tensor_out "
                                       "bitwise_and.Scalar_out=bitwise_and_scalar_out "
                                       "bitwise_and.Scalar_Tensor_out=bitwise_and_scalar_tensor_out",
                                   .in = 2,
                                   .types = "lib",
                                   .doc = "self & other"};
  template <class V> GEMS_FN V operator()(V x, V y) const { return x & y; }
};
