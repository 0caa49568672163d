#include "kernels/lang/lang.h"
struct hardshrink {
  static constexpr gems::decl decl{.aten = "hardshrink hardshrink.out", .par = 1, .doc = "0 within [-lambd, lambd], else self"};
  static constexpr bool exact = true;
  template <class V> GEMS_FN V operator()(V x, V lambd) const { return gems::select((x >= -lambd) & (x <= lambd), V(0), x); }
};
