#include "kernels/lang/lang.h"
struct addcdiv {
  static constexpr gems::decl decl{
      .aten = "addcdiv addcdiv_ addcdiv.out", .in = 3, .par = 1, .samples = {0.5, 4}, .doc = "self + value * tensor1 / tensor2"};
  template <class V> GEMS_FN V operator()(V x, V a, V b, V value) const { return x + value * a / b; }
};
