#include "kernels/lang/lang.h"
struct asinh {
  static constexpr gems::decl decl{
      .aten = "asinh asinh_ asinh.out", .dtype = gems::rule::to_float, .samples = {-30, 30}, .doc = "inverse hyperbolic sine"};
  template <class V> GEMS_FN V operator()(V x) const { return gems::asinh(x); }
};
