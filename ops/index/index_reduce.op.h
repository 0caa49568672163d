#include "kernels/lang/lang.h"
struct index_reduce {
  static constexpr gems::decl decl{.aten = "index_reduce index_reduce_ index_reduce.out",
                                   .fam = gems::family::index,
                                   .in = 2,
                                   .types = "",
                                   .doc = "slices of self = prod, amax or amin of them and those of source"};
};
