#include "kernels/lang/lang.h"
struct histc {
  static constexpr gems::decl decl{.aten = "histc histc.out",
                                   .fam = gems::family::sort,
                                   .in = 1,
                                   .out = 1,
                                   .types = "",
                                   .roles = "h",
                                   .doc = "counts of elements in bins of equal width"};
};
