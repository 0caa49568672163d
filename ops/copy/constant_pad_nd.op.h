#include "kernels/lang/lang.h"
struct constant_pad_nd {
  static constexpr gems::decl decl{
      .aten = "constant_pad_nd", .fam = gems::family::copy, .in = 1, .doc = "self with a border of one value"};
};
