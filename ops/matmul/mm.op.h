#include "kernels/lang/lang.h"
struct mm {
  static constexpr gems::decl decl{
      .aten = "mm mm.out", .fam = gems::family::matmul, .in = 2, .types = "fd", .doc = "matrix product"};
};
