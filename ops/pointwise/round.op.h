#include "kernels/lang/lang.h"
struct round {
  static constexpr gems::decl decl{.aten = "round round_ round.out", .types = "fdl", .doc = "nearest integer, halves to even"};
  static constexpr bool exact = true;
  template <class V> GEMS_FN V operator()(V x) const {
    if constexpr (gems::is_float<V>) return gems::round(x);
    else return x;
  }
};
