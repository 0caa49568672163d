#include "kernels/lang/lang.h"
struct linspace {
  static constexpr gems::decl decl{.aten = "linspace linspace.out",
                                   .fam = gems::family::create,
                                   .in = 0,
                                   .types = "",
                                   .doc = "steps numbers from start to end"};
};
