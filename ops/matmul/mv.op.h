#include "kernels/lang/lang.h"
struct mv {
  static constexpr gems::decl decl{
      .aten = "mv mv.out", .fam = gems::family::matmul, .in = 2, .types = "fd", .doc = "matrix times vector"};
};
