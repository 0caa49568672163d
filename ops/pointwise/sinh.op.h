#include "kernels/lang/lang.h"
struct sinh {
  static constexpr gems::decl decl{
      .aten = "sinh sinh_ sinh.out", .dtype = gems::rule::to_float, .samples = {-8, 8}, .doc = "hyperbolic sine"};
  template <class V> GEMS_FN V operator()(V x) const { return gems::sinh(x); }
};
