#include "kernels/lang/lang.h"
struct index_copy {
  static constexpr gems::decl decl{.aten = "index_copy index_copy_ index_copy.out",
                                   .fam = gems::family::index,
                                   .in = 2,
                                   .types = "",
                                   .doc = "slices of self = those of source"};
};
