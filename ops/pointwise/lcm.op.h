#include "kernels/lang/lang.h"
struct lcm {
  static constexpr gems::decl decl{.aten = "lcm lcm_ lcm.out", .in = 2, .types = "li", .doc = "least common multiple"};
  template <class V> GEMS_FN V operator()(V x, V y) const { return gems::lcm(x, y); }
};
