#include "kernels/lang/lang.h"
struct tanh {
  static constexpr gems::decl decl{
      .aten = "tanh tanh_ tanh.out", .dtype = gems::rule::to_float, .samples = {-8, 8}, .doc = "hyperbolic tangent"};
  template <class V> GEMS_FN V operator()(V x) const { return gems::tanh(x); }
};
