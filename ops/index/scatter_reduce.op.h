#include "kernels/lang/lang.h"
struct scatter_reduce {
  static constexpr gems::decl decl{.aten = "scatter_reduce.two scatter_reduce_.two scatter_reduce.two_out=scatter_reduce_out",
                                   .fam = gems::family::index,
                                   .in = 2,
                                   .types = "",
                                   .doc = "self[index[i][j]][j] = sum, prod, amax or amin of it and src[i][j] (dim = 0)"};
};
