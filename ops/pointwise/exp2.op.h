#include "kernels/lang/lang.h"
struct exp2 {
  static constexpr gems::decl decl{
      .aten = "exp2 exp2_ exp2.out", .dtype = gems::rule::to_float, .samples = {-8, 8}, .doc = "2 to the power of self"};
  template <class V> GEMS_FN V operator()(V x) const { return gems::exp2(x); }
};
