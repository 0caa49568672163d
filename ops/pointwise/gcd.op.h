#include "kernels/lang/lang.h"
struct gcd {
  static constexpr gems::decl decl{.aten = "gcd gcd_ gcd.out", .in = 2, .types = "li", .doc = "greatest common divisor"};
  template <class V> GEMS_FN V operator()(V x, V y) const { return gems::gcd(x, y); }
};
