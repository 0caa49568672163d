#include "kernels/lang/lang.h"
struct addcmul {
  static constexpr gems::decl decl{
      .aten = "addcmul addcmul_ addcmul.out", .in = 3, .par = 1, .types = "fdl", .doc = "self + value * tensor1 * tensor2"};
  template <class V> GEMS_FN V operator()(V x, V a, V b, V value) const { return x + value * a * b; }
};
