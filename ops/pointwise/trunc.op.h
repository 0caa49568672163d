#include "kernels/lang/lang.h"
struct trunc {
  static constexpr gems::decl decl{.aten = "trunc trunc_ trunc.out", .types = "fdl", .doc = "integer part"};
  static constexpr bool exact = true;
  template <class V> GEMS_FN V operator()(V x) const {
    if constexpr (gems::is_float<V>) return gems::trunc(x);
    else return x;
  }
};
