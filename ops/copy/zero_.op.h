#include "kernels/lang/lang.h"
struct zero_ {
  static constexpr gems::decl decl{.aten = "zero_", .fam = gems::family::copy, .in = 1, .doc = "self = 0"};
};
