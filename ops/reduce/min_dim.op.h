#include "kernels/lang/lang.h"
struct min_dim {
  static constexpr gems::decl decl{.aten = "min.dim=min_dim min.dim_min=min_dim_out",
                                   .fam = gems::family::reduce,
                                   .out = 2,
                                   .types = "fdl",
                                   .doc = "smallest element along a dimension and its first index; NaN counts as smallest"};
  static constexpr bool with_index = true;
  // Is a strictly better than b? Ties keep the lower index.
  template <class A> static GEMS_FN bool better(A a, A b) { return (a < b) | ((a != a) & (b == b)); }
};
