#include "kernels/lang/lang.h"
struct fmax {
  static constexpr gems::decl decl{.aten = "fmax fmax.out", .in = 2, .types = "fdlib", .doc = "the larger; a NaN loses"};
  static constexpr bool exact = true;
  template <class V> GEMS_FN V operator()(V x, V y) const { return gems::fmax(x, y); }
};
