#include "kernels/lang/lang.h"
struct copy_ {
  static constexpr gems::decl decl{
      .aten = "copy_", .fam = gems::family::copy, .in = 2, .doc = "self = src, broadcast and converted; one device"};
};
