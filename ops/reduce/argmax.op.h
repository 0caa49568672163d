#include "kernels/lang/lang.h"
struct argmax {
  static constexpr gems::decl decl{.aten = "argmax argmax.out",
                                   .fam = gems::family::reduce,
                                   .dtype = gems::rule::index,
                                   .types = "fdl",
                                   .doc = "index of the first largest element; NaN counts as largest"};
  static constexpr bool with_index = true;
  // Is a strictly better than b? Ties keep the lower index.
  template <class A> static GEMS_FN bool better(A a, A b) { return (a > b) | ((a != a) & (b == b)); }
};
