#include "kernels/lang/lang.h"
struct index_select {
  static constexpr gems::decl decl{.aten = "index_select index_select.out",
                                   .fam = gems::family::index,
                                   .in = 2,
                                   .types = "",
                                   .doc = "slices of self along a dimension, in the order of a 1-d index"};
};
