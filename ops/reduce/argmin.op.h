#include "kernels/lang/lang.h"
struct argmin {
  static constexpr gems::decl decl{.aten = "argmin argmin.out",
                                   .fam = gems::family::reduce,
                                   .dtype = gems::rule::index,
                                   .types = "fdl",
                                   .doc = "index of the first smallest element; NaN counts as smallest"};
  static constexpr bool with_index = true;
  // Is a strictly better than b? Ties keep the lower index.
  template <class A> static GEMS_FN bool better(A a, A b) { return (a < b) | ((a != a) & (b == b)); }
};
