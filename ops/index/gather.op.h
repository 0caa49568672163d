#include "kernels/lang/lang.h"
struct gather {
  static constexpr gems::decl decl{.aten = "gather gather.out",
                                   .fam = gems::family::index,
                                   .in = 2,
                                   .types = "",
                                   .doc = "out[i][j][k] = self[i][index[i][j][k]][k] (dim = 1)"};
};
