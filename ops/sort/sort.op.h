#include "kernels/lang/lang.h"
struct sort {
  static constexpr gems::decl decl{.aten = "sort sort.values=sort_out sort.stable=sort_stable sort.values_stable=sort_stable_out",
                                   .fam = gems::family::sort,
                                   .in = 1,
                                   .out = 2,
                                   .types = "",
                                   .roles = "s",
                                   .doc = "values in order along a dimension, and where they were; always stable"};
};
