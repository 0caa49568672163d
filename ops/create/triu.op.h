#include "kernels/lang/lang.h"
struct triu {
  static constexpr gems::decl decl{.aten = "triu triu_ triu.out",
                                   .fam = gems::family::create,
                                   .par = 1,
                                   .types = "",
                                   .doc = "upper triangle of matrices, zero elsewhere"};
};
