#include "kernels/lang/lang.h"
struct sqrt {
  static constexpr gems::decl decl{
      .aten = "sqrt sqrt_ sqrt.out", .dtype = gems::rule::to_float, .samples = {0.01, 9}, .doc = "square root"};
  template <class V> GEMS_FN V operator()(V x) const { return gems::sqrt(x); }
};
