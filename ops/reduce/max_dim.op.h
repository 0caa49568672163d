#include "kernels/lang/lang.h"
struct max_dim {
  static constexpr gems::decl decl{.aten = "max.dim=max_dim max.dim_max=max_dim_out",
                                   .fam = gems::family::reduce,
                                   .out = 2,
                                   .types = "fdl",
                                   .doc = "largest element along a dimension and its first index; NaN counts as largest"};
  static constexpr bool with_index = true;
  // Is a strictly better than b? Ties keep the lower index.
  template <class A> static GEMS_FN bool better(A a, A b) { return (a > b) | ((a != a) & (b == b)); }
};
