#include "kernels/lang/lang.h"
struct clamp_max {
  static constexpr gems::decl decl{.aten =
                                       "clamp_max clamp_max.Tensor=clamp_max_tensor clamp_max_ "
                                       "clamp_max_.Tensor=clamp_max_tensor_ clamp_max.out "
                                       "clamp_max.Tensor_out=clamp_max_tensor_out",
                                   .in = 2,
                                   .types = "fdlib",
                                   .doc = "minimum(self, bound)"};
  template <class V> GEMS_FN V operator()(V x, V bound) const { return gems::minimum(x, bound); }
};
