#include "kernels/lang/lang.h"
struct stack {
  static constexpr gems::decl decl{
      .aten = "stack stack.out", .fam = gems::family::copy, .in = 1, .doc = "tensors joined along a new dimension"};
};
