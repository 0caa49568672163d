#include "kernels/lang/lang.h"
struct clamp_min {
  static constexpr gems::decl decl{.aten =
                                       "clamp_min clamp_min.Tensor=clamp_min_tensor clamp_min_ "
                                       "clamp_min_.Tensor=clamp_min_tensor_ clamp_min.out "
                                       "clamp_min.Tensor_out=clamp_min_tensor_out",
                                   .in = 2,
                                   .types = "fdlib",
                                   .doc = "maximum(self, bound)"};
  template <class V> GEMS_FN V operator()(V x, V bound) const { return gems::maximum(x, bound); }
};
