#include "kernels/lang/lang.h"
struct scatter_add {
  static constexpr gems::decl decl{.aten = "scatter_add scatter_add_ scatter_add.out",
                                   .fam = gems::family::index,
                                   .in = 2,
                                   .types = "",
                                   .doc = "self[index[i][j]][j] += src[i][j] (dim = 0)"};
};
