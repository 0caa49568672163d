#include "kernels/lang/lang.h"
struct abs {
  static constexpr gems::decl decl{.aten = "abs abs_ abs.out", .types = "fdli", .doc = "absolute value"};
  static constexpr bool exact = true;
  template <class V> GEMS_FN V operator()(V x) const { return gems::abs(x); }
};
