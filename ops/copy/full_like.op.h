#include "kernels/lang/lang.h"
struct full_like {
  static constexpr gems::decl decl{
      .aten = "full_like", .fam = gems::family::copy, .in = 1, .doc = "new tensor of one value with the shape of another"};
};
