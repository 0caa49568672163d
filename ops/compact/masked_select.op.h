#include "kernels/lang/lang.h"
struct masked_select {
  static constexpr gems::decl decl{.aten = "masked_select masked_select.out",
                                   .fam = gems::family::compact,
                                   .in = 2,
                                   .types = "",
                                   .doc = "elements of self where the mask is true"};
};
