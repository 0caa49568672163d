#include "kernels/lang/lang.h"
struct median {
  static constexpr gems::decl decl{.aten = "median median.out",
                                   .fam = gems::family::sort,
                                   .in = 1,
                                   .out = 1,
                                   .types = "",
                                   .roles = "n",
                                   .doc = "lower median of all elements; NaN if there is one"};
};
