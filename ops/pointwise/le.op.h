#include "kernels/lang/lang.h"
struct le {
  static constexpr gems::decl decl{.aten =
                                       "le.Tensor le.Scalar=le_scalar le_.Tensor le_.Scalar=le_scalar_ "
                                       "le.Tensor_out=le_out le.Scalar_out=le_scalar_out",
                                   .dtype = gems::rule::boolean,
                                   .in = 2,
                                   .types = "fdlib",
                                   .doc = "self <= other"};
  template <class V> GEMS_FN bool operator()(V x, V y) const { return x <= y; }
};
