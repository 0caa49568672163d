#include "kernels/lang/lang.h"
struct expm1 {
  static constexpr gems::decl decl{
      .aten = "expm1 expm1_ expm1.out", .dtype = gems::rule::to_float, .samples = {-8, 8}, .doc = "exp(self) - 1"};
  template <class V> GEMS_FN V operator()(V x) const { return gems::expm1(x); }
};
