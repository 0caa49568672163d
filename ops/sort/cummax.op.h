#include "kernels/lang/lang.h"
struct cummax {
  static constexpr gems::decl decl{.aten = "cummax cummax.out _cummax_helper",
                                   .fam = gems::family::sort,
                                   .in = 1,
                                   .out = 2,
                                   .types = "",
                                   .roles = "c",
                                   .doc = "running maximum along a dimension and where it is"};
};
