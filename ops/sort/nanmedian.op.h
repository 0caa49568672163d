#include "kernels/lang/lang.h"
struct nanmedian {
  static constexpr gems::decl decl{.aten = "nanmedian nanmedian.out",
                                   .fam = gems::family::sort,
                                   .in = 1,
                                   .out = 1,
                                   .types = "",
                                   .roles = "n",
                                   .doc = "lower median of all elements without the NaNs"};
};
