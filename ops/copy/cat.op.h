#include "kernels/lang/lang.h"
struct cat {
  static constexpr gems::decl decl{
      .aten = "cat cat.out", .fam = gems::family::copy, .in = 1, .doc = "tensors joined along a dimension"};
};
