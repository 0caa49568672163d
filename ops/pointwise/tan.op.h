#include "kernels/lang/lang.h"
struct tan {
  static constexpr gems::decl decl{.aten = "tan tan_ tan.out",
                                   .dtype = gems::rule::to_float, .samples = {-1.5, 1.5}, .doc = "tangent"};
  template <class V> GEMS_FN V operator()(V x) const { return gems::tan(x); }
};
