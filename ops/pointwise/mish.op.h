#include "kernels/lang/lang.h"
struct mish {
  static constexpr gems::decl decl{.aten = "mish mish_ mish.out", .samples = {-8, 8}, .doc = "x * tanh(log(1 + e^x))"};
  template <class V> GEMS_FN V operator()(V x) const { return gems::mish(x); }
};
