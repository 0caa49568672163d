#include "kernels/lang/lang.h"
struct floor {
  static constexpr gems::decl decl{.aten = "floor floor_ floor.out", .types = "fdl", .doc = "largest integer not above"};
  static constexpr bool exact = true;
  template <class V> GEMS_FN V operator()(V x) const {
    if constexpr (gems::is_float<V>) return gems::floor(x);
    else return x;
  }
};
