#include "kernels/lang/lang.h"
struct nanmedian_dim {
  static constexpr gems::decl decl{.aten = "nanmedian.dim=nanmedian_dim nanmedian.dim_values=nanmedian_dim_values",
                                   .fam = gems::family::sort,
                                   .in = 1,
                                   .out = 2,
                                   .types = "",
                                   .roles = "n",
                                   .doc = "lower median along a dimension without the NaNs"};
};
