#include "kernels/lang/lang.h"
struct hardsigmoid {
  static constexpr gems::decl decl{
      .aten = "hardsigmoid hardsigmoid_ hardsigmoid.out", .samples = {-6, 6}, .doc = "clamp(x + 3, 0, 6) / 6"};
  template <class V> GEMS_FN V operator()(V x) const { return gems::clamp(x + V(3), V(0), V(6)) / V(6); }
};
