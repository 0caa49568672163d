#include "kernels/lang/lang.h"
struct unique {
  static constexpr gems::decl decl{.aten = "_unique2 unique_consecutive _unique",
                                   .fam = gems::family::sort,
                                   .in = 1,
                                   .out = 3,
                                   .types = "",
                                   .roles = "u",
                                   .doc = "distinct elements, sorted or of neighbours only, with inverse and counts"};
};
