#include "kernels/lang/lang.h"
struct clamp {
  static constexpr gems::decl decl{.aten =
                                       "clamp clamp_ clamp.out clamp.Tensor=clamp_tensor clamp_.Tensor=clamp_tensor_ "
                                       "clamp.Tensor_out=clamp_tensor_out",
                                   .in = 3,
                                   .types = "fdli",
                                   .missing = "- -inf inf",
                                   .doc = "min(max(self, lo), hi); NaN of any operand stays"};
  template <class V> GEMS_FN V operator()(V x, V lo, V hi) const { return gems::clamp(x, lo, hi); }
};
