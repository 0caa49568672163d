#include "kernels/lang/lang.h"
struct masked_scatter {
  static constexpr gems::decl decl{.aten = "masked_scatter_ masked_scatter",
                                   .fam = gems::family::compact,
                                   .in = 2,
                                   .types = "",
                                   .doc = "elements of self where the mask is true = those of source, in order"};
};
