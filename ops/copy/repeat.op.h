#include "kernels/lang/lang.h"
struct repeat {
  static constexpr gems::decl decl{
      .aten = "repeat", .fam = gems::family::copy, .in = 1, .doc = "self side by side with itself, each dimension so many times"};
};
