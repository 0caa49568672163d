#include "kernels/lang/lang.h"
struct heaviside {
  static constexpr gems::decl decl{.aten = "heaviside heaviside_ heaviside.out",
                                   .in = 2,
                                   .types = "fdlib=",
                                   .doc = "0 where self is negative, 1 where positive, else values"};
  static constexpr bool exact = true;
  template <class V> GEMS_FN V operator()(V x, V y) const { return gems::select(x == V(0), y, V(x > V(0))); }
};
