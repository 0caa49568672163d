#include "kernels/lang/lang.h"
struct sgn {
  static constexpr gems::decl decl{.aten = "sgn sgn_ sgn.out", .types = "fdlib", .doc = "-1, 0 or 1; 0 for NaN"};
  static constexpr bool exact = true;
  template <class V> GEMS_FN V operator()(V x) const {
    if constexpr (gems::is_same<V, bool>) return x;
    else return V(x > V(0)) - V(x < V(0));
  }
};
