#include "kernels/lang/lang.h"
struct ones_like {
  static constexpr gems::decl decl{
      .aten = "ones_like", .fam = gems::family::copy, .in = 1, .doc = "new tensor of one value with the shape of another"};
};
