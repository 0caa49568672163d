#include "kernels/lang/lang.h"
struct atan {
  static constexpr gems::decl decl{
      .aten = "atan atan_ atan.out", .dtype = gems::rule::to_float, .samples = {-6, 6}, .doc = "inverse tangent"};
  template <class V> GEMS_FN V operator()(V x) const { return gems::atan(x); }
};
