#include "kernels/lang/lang.h"
struct index_add {
  static constexpr gems::decl decl{.aten = "index_add index_add_ index_add.out",
                                   .fam = gems::family::index,
                                   .in = 2,
                                   .types = "",
                                   .doc = "slices of self += those of source, in the order of a 1-d index"};
};
