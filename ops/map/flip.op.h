#include "kernels/lang/lang.h"
struct flip {
  static constexpr gems::decl decl{
      .aten = "flip", .fam = gems::family::map, .types = "", .doc = "the order of some dimensions reversed"};
};
