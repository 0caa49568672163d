#include "kernels/lang/lang.h"
struct maximum {
  static constexpr gems::decl decl{
      .aten = "maximum maximum.out", .in = 2, .types = "fdlib", .doc = "the larger; NaN if either is"};
  static constexpr bool exact = true;
  template <class V> GEMS_FN V operator()(V x, V y) const { return gems::maximum(x, y); }
};
