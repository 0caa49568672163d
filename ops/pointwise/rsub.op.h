#include "kernels/lang/lang.h"
struct rsub {
  static constexpr gems::decl decl{.aten =
                                       "rsub.Tensor=rsub_tensor rsub.Scalar=rsub_scalar rsub.Tensor_out=rsub_tensor_out "
                                       "rsub.Scalar_out=rsub_scalar_out",
                                   .in = 2,
                                   .par = 1,
                                   .wide = 0x30,
                                   .types = "fdli!",
                                   .doc = "other - alpha * self"};
  template <class V> GEMS_FN V operator()(V x, V y, V alpha) const { return y - alpha * x; }
};
