#include "kernels/lang/lang.h"
struct linear {
  static constexpr gems::decl decl{.aten = "linear",
                                   .fam = gems::family::matmul,
                                   .in = 2,
                                   .types = "fd",
                                   .doc = "input @ weight.T + bias; without gradients only, otherwise torch decomposes it"};
};
