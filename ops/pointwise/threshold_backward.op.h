#include "kernels/lang/lang.h"
struct threshold_backward {
  static constexpr gems::decl decl{.aten = "threshold_backward threshold_backward.grad_input=threshold_backward_out",
                                   .in = 2,
                                   .par = 1,
                                   .types = "fdl",
                                   .doc = "0 where self <= limit, else grad"};
  template <class V> GEMS_FN V operator()(V grad, V x, V limit) const { return x <= limit ? V(0) : grad; }
};
