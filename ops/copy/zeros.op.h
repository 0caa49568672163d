#include "kernels/lang/lang.h"
struct zeros {
  static constexpr gems::decl decl{.aten = "zeros", .fam = gems::family::copy, .in = 1, .doc = "new tensor of zeros"};
};
