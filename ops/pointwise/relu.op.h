#include "kernels/lang/lang.h"
struct relu {
  static constexpr gems::decl decl{.aten = "relu relu_ relu.out", .types = "fdli", .doc = "max(self, 0); NaN stays"};
  static constexpr bool exact = true;
  template <class V> GEMS_FN V operator()(V x) const { return x < V(0) ? V(0) : x; }
};
