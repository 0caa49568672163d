#include "kernels/lang/lang.h"
struct embedding {
  static constexpr gems::decl decl{
      .aten = "embedding", .fam = gems::family::index, .in = 2, .types = "", .doc = "rows of the weight, one for each index"};
};
