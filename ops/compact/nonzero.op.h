#include "kernels/lang/lang.h"
struct nonzero {
  static constexpr gems::decl decl{.aten = "nonzero nonzero.out",
                                   .fam = gems::family::compact,
                                   .in = 2,
                                   .types = "",
                                   .doc = "coordinates of the elements that aren't zero"};
};
