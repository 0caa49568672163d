#include "kernels/lang/lang.h"
struct angle {
  static constexpr gems::decl decl{
      .aten = "angle angle.out", .dtype = gems::rule::to_float, .doc = "pi where negative, else 0; NaN stays"};
  template <class V> GEMS_FN V operator()(V x) const {
    return gems::select(x < V(0), V(3.14159265358979323846), gems::select(x != x, x, V(0)));
  }
};
