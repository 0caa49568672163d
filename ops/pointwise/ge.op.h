#include "kernels/lang/lang.h"
struct ge {
  static constexpr gems::decl decl{.aten =
                                       "ge.Tensor ge.Scalar=ge_scalar ge_.Tensor ge_.Scalar=ge_scalar_ "
                                       "ge.Tensor_out=ge_out ge.Scalar_out=ge_scalar_out",
                                   .dtype = gems::rule::boolean,
                                   .in = 2,
                                   .types = "fdlib",
                                   .doc = "self >= other"};
  template <class V> GEMS_FN bool operator()(V x, V y) const { return x >= y; }
};
