#include "kernels/lang/lang.h"
struct bincount {
  static constexpr gems::decl decl{.aten = "bincount",
                                   .fam = gems::family::sort,
                                   .in = 1,
                                   .out = 1,
                                   .types = "",
                                   .roles = "b",
                                   .doc = "how often each number occurs, or the sum of its weights"};
};
