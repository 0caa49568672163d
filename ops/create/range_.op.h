#include "kernels/lang/lang.h"
struct range_ {
  static constexpr gems::decl decl{.aten = "range range.step=range range.out",
                                   .fam = gems::family::create,
                                   .in = 0,
                                   .types = "",
                                   .doc = "start, start + step, ... with end"};
};
