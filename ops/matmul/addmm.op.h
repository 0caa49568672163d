#include "kernels/lang/lang.h"
struct addmm {
  static constexpr gems::decl decl{.aten = "addmm addmm_ addmm.out",
                                   .fam = gems::family::matmul,
                                   .in = 3,
                                   .par = 2,
                                   .types = "fd",
                                   .doc = "beta * self + alpha * (mat1 @ mat2); self isn't read where beta is 0"};
};
