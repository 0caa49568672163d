#include "kernels/lang/lang.h"
struct take {
  static constexpr gems::decl decl{
      .aten = "take take.out", .fam = gems::family::index, .in = 2, .types = "", .doc = "elements of self seen as one dimension"};
};
