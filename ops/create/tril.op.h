#include "kernels/lang/lang.h"
struct tril {
  static constexpr gems::decl decl{.aten = "tril tril_ tril.out",
                                   .fam = gems::family::create,
                                   .par = 1,
                                   .types = "",
                                   .doc = "lower triangle of matrices, zero elsewhere"};
};
