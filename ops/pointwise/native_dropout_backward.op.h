#include "kernels/lang/lang.h"
struct native_dropout_backward {
  static constexpr gems::decl decl{.aten = "native_dropout_backward native_dropout_backward.out _masked_scale=masked_scale",
                                   .in = 2,
                                   .par = 1,
                                   .nopromote = 2,
                                   .types = "fd",
                                   .doc = "grad * mask * scale"};
  template <class V> GEMS_FN V operator()(V x, V mask, V scale) const { return x * mask * scale; }
};
