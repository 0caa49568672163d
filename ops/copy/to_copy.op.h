#include "kernels/lang/lang.h"
struct to_copy {
  static constexpr gems::decl decl{.aten = "_to_copy=to_copy",
                                   .fam = gems::family::copy,
                                   .in = 1,
                                   .doc = "copy with another dtype or layout on the same device"};
};
