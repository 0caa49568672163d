#include "kernels/lang/lang.h"
struct fmin {
  static constexpr gems::decl decl{.aten = "fmin fmin.out", .in = 2, .types = "fdlib", .doc = "the smaller; a NaN loses"};
  static constexpr bool exact = true;
  template <class V> GEMS_FN V operator()(V x, V y) const { return gems::fmin(x, y); }
};
