#include "kernels/lang/lang.h"
struct clone {
  static constexpr gems::decl decl{.aten = "clone", .fam = gems::family::copy, .in = 1, .doc = "copy, layout kept"};
};
