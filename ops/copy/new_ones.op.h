#include "kernels/lang/lang.h"
struct new_ones {
  static constexpr gems::decl decl{.aten = "new_ones",
                                   .fam = gems::family::copy,
                                   .in = 1,
                                   .doc = "new tensor of one value with the dtype and device of another"};
};
