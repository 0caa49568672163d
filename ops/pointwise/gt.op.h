#include "kernels/lang/lang.h"
struct gt {
  static constexpr gems::decl decl{.aten =
                                       "gt.Tensor gt.Scalar=gt_scalar gt_.Tensor gt_.Scalar=gt_scalar_ "
                                       "gt.Tensor_out=gt_out gt.Scalar_out=gt_scalar_out",
                                   .dtype = gems::rule::boolean,
                                   .in = 2,
                                   .types = "fdlib",
                                   .doc = "self > other"};
  template <class V> GEMS_FN bool operator()(V x, V y) const { return x > y; }
};
