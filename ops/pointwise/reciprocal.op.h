#include "kernels/lang/lang.h"
struct reciprocal {
  static constexpr gems::decl decl{
      .aten = "reciprocal reciprocal_ reciprocal.out", .dtype = gems::rule::to_float, .samples = {0.5, 4}, .doc = "1 / self"};
  template <class V> GEMS_FN V operator()(V x) const { return V(1) / x; }
};
