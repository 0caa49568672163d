#include "kernels/lang/lang.h"
struct median_dim {
  static constexpr gems::decl decl{.aten = "median.dim=median_dim median.dim_values=median_dim_values",
                                   .fam = gems::family::sort,
                                   .in = 1,
                                   .out = 2,
                                   .types = "",
                                   .roles = "n",
                                   .doc = "lower median along a dimension; NaN where there is one"};
};
