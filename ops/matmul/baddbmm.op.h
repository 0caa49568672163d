#include "kernels/lang/lang.h"
struct baddbmm {
  static constexpr gems::decl decl{.aten = "baddbmm baddbmm_ baddbmm.out",
                                   .fam = gems::family::matmul,
                                   .in = 3,
                                   .par = 2,
                                   .types = "fd",
                                   .doc = "beta * self + alpha * (batch1 @ batch2); self isn't read where beta is 0"};
};
