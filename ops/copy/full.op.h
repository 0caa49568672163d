#include "kernels/lang/lang.h"
struct full {
  static constexpr gems::decl decl{.aten = "full", .fam = gems::family::copy, .in = 1, .doc = "new tensor of one value"};
};
