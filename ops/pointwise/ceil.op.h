#include "kernels/lang/lang.h"
struct ceil {
  static constexpr gems::decl decl{.aten = "ceil ceil_ ceil.out", .types = "fdl", .doc = "smallest integer not below"};
  static constexpr bool exact = true;
  template <class V> GEMS_FN V operator()(V x) const {
    if constexpr (gems::is_float<V>) return gems::ceil(x);
    else return x;
  }
};
