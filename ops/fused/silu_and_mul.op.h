#include "kernels/lang/lang.h"
struct silu_and_mul {
  static constexpr gems::decl decl{.aten = "flag_gems::silu_and_mul",
                                   .in = 2,
                                   .samples = {-30, 30},
                                   .schema = "flag_gems::silu_and_mul(Tensor x, Tensor y) -> Tensor",
                                   .doc = "silu(x) * y in one pass, rounded once"};
  template <class V> GEMS_FN V operator()(V x, V y) const { return x * gems::sigmoid(x) * y; }
};
