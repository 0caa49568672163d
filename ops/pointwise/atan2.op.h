#include "kernels/lang/lang.h"
struct atan2 {
  static constexpr gems::decl decl{
      .aten = "atan2 atan2_ atan2.out", .dtype = gems::rule::to_float, .in = 2, .doc = "angle of the point (other, self)"};
  template <class V> GEMS_FN V operator()(V x, V y) const { return gems::atan2(x, y); }
};
