#include "kernels/lang/lang.h"
struct mish_backward {
  static constexpr gems::decl decl{
      .aten = "mish_backward", .in = 2, .types = "fd=", .samples = {-8, 8}, .doc = "gradient of mish"};
  template <class V> GEMS_FN V operator()(V grad, V x) const { return grad * gems::mish_slope(x); }
};
