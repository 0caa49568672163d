#include "kernels/lang/lang.h"
struct ones {
  static constexpr gems::decl decl{.aten = "ones", .fam = gems::family::copy, .in = 1, .doc = "new tensor of ones"};
};
