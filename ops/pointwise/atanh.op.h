#include "kernels/lang/lang.h"
struct atanh {
  static constexpr gems::decl decl{
      .aten = "atanh atanh_ atanh.out", .dtype = gems::rule::to_float, .samples = {-1, 1}, .doc = "inverse hyperbolic tangent"};
  template <class V> GEMS_FN V operator()(V x) const { return gems::atanh(x); }
};
