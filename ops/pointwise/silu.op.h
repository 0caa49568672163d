#include "kernels/lang/lang.h"
struct silu {
  static constexpr gems::decl decl{.aten = "silu silu_ silu.out", .samples = {-30, 30}, .doc = "x * sigmoid(x)"};
  template <class V> GEMS_FN V operator()(V x) const { return gems::silu(x); }
};
