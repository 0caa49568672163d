#include "kernels/lang/lang.h"
struct cummin {
  static constexpr gems::decl decl{.aten = "cummin cummin.out _cummin_helper",
                                   .fam = gems::family::sort,
                                   .in = 1,
                                   .out = 2,
                                   .types = "",
                                   .roles = "c",
                                   .doc = "running minimum along a dimension and where it is"};
};
