#include "kernels/lang/lang.h"
struct cosh {
  static constexpr gems::decl decl{
      .aten = "cosh cosh_ cosh.out", .dtype = gems::rule::to_float, .samples = {-8, 8}, .doc = "hyperbolic cosine"};
  template <class V> GEMS_FN V operator()(V x) const { return gems::cosh(x); }
};
