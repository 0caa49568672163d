#include "kernels/lang/lang.h"
struct minimum {
  static constexpr gems::decl decl{
      .aten = "minimum minimum.out", .in = 2, .types = "fdlib", .doc = "the smaller; NaN if either is"};
  static constexpr bool exact = true;
  template <class V> GEMS_FN V operator()(V x, V y) const { return gems::minimum(x, y); }
};
