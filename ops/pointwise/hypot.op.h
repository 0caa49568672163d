#include "kernels/lang/lang.h"
struct hypot {
  static constexpr gems::decl decl{.aten = "hypot hypot_ hypot.out", .in = 2, .doc = "sqrt(self^2 + other^2)"};
  template <class V> GEMS_FN V operator()(V x, V y) const { return gems::hypot(x, y); }
};
