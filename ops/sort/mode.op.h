#include "kernels/lang/lang.h"
struct mode {
  static constexpr gems::decl decl{.aten = "mode mode.values=mode_out",
                                   .fam = gems::family::sort,
                                   .in = 1,
                                   .out = 2,
                                   .types = "",
                                   .roles = "m",
                                   .doc = "the most frequent value along a dimension, of those the least"};
};
