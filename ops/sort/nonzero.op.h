#include "kernels/lang/lang.h"
struct nonzero {
  static constexpr gems::decl decl{.aten = "nonzero nonzero.out",
                                   .fam = gems::family::sort,
                                   .in = 1,
                                   .out = 1,
                                   .types = "",
                                   .roles = "z",
                                   .doc = "coordinates of the elements that aren't zero"};
};
