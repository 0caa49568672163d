#include "kernels/lang/lang.h"
struct eq {
  static constexpr gems::decl decl{.aten =
                                       "eq.Tensor eq.Scalar=eq_scalar eq_.Tensor eq_.Scalar=eq_scalar_ "
                                       "eq.Tensor_out=eq_out eq.Scalar_out=eq_scalar_out",
                                   .dtype = gems::rule::boolean,
                                   .in = 2,
                                   .types = "fdlib",
                                   .doc = "self == other"};
  template <class V> GEMS_FN bool operator()(V x, V y) const { return x == y; }
};
