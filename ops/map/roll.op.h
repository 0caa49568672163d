#include "kernels/lang/lang.h"
struct roll {
  static constexpr gems::decl decl{.aten = "roll",
                                   .fam = gems::family::map,
                                   .types = "",
                                   .doc = "elements moved along dimensions, what leaves at one end enters at the other"};
};
