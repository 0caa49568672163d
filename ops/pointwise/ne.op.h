#include "kernels/lang/lang.h"
struct ne {
  static constexpr gems::decl decl{.aten =
                                       "ne.Tensor ne.Scalar=ne_scalar ne_.Tensor ne_.Scalar=ne_scalar_ "
                                       "ne.Tensor_out=ne_out ne.Scalar_out=ne_scalar_out",
                                   .dtype = gems::rule::boolean,
                                   .in = 2,
                                   .types = "fdlib",
                                   .doc = "self != other"};
  template <class V> GEMS_FN bool operator()(V x, V y) const { return x != y; }
};
