#include "kernels/lang/lang.h"
struct bmm {
  static constexpr gems::decl decl{
      .aten = "bmm bmm.out", .fam = gems::family::matmul, .in = 2, .types = "fd", .doc = "batched matrix product"};
};
