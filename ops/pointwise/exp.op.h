#include "kernels/lang/lang.h"
struct exp {
  static constexpr gems::decl decl{
      .aten = "exp exp_ exp.out", .dtype = gems::rule::to_float, .samples = {-8, 8}, .doc = "e to the power of self"};
  template <class V> GEMS_FN V operator()(V x) const { return gems::exp(x); }
};
