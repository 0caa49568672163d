#include "kernels/lang/lang.h"
struct lt {
  static constexpr gems::decl decl{.aten =
                                       "lt.Tensor lt.Scalar=lt_scalar lt_.Tensor lt_.Scalar=lt_scalar_ "
                                       "lt.Tensor_out=lt_out lt.Scalar_out=lt_scalar_out",
                                   .dtype = gems::rule::boolean,
                                   .in = 2,
                                   .types = "fdlib",
                                   .doc = "self < other"};
  template <class V> GEMS_FN bool operator()(V x, V y) const { return x < y; }
};
