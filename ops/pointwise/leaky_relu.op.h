#include "kernels/lang/lang.h"
struct leaky_relu {
  static constexpr gems::decl decl{
      .aten = "leaky_relu leaky_relu_ leaky_relu.out", .par = 1, .doc = "self where positive, else slope * self"};
  template <class V> GEMS_FN V operator()(V x, V slope) const { return x > V(0) ? x : x * slope; }
};
