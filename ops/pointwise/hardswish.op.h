#include "kernels/lang/lang.h"
struct hardswish {
  static constexpr gems::decl decl{
      .aten = "hardswish hardswish_ hardswish.out", .samples = {-6, 6}, .doc = "x * clamp(x + 3, 0, 6) / 6"};
  template <class V> GEMS_FN V operator()(V x) const { return x * gems::min(gems::max(V(0), x + V(3)), V(6)) / V(6); }
};
