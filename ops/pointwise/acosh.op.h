#include "kernels/lang/lang.h"
struct acosh {
  static constexpr gems::decl decl{
      .aten = "acosh acosh_ acosh.out", .dtype = gems::rule::to_float, .samples = {1, 30}, .doc = "inverse hyperbolic cosine"};
  template <class V> GEMS_FN V operator()(V x) const { return gems::acosh(x); }
};
