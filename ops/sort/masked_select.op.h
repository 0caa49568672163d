#include "kernels/lang/lang.h"
struct masked_select {
  static constexpr gems::decl decl{.aten = "masked_select masked_select.out",
                                   .fam = gems::family::sort,
                                   .in = 2,
                                   .out = 1,
                                   .types = "",
                                   .roles = "x",
                                   .doc = "elements where a mask is true"};
};
