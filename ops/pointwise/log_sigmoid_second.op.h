#include "kernels/lang/lang.h"
struct log_sigmoid_second {
  static constexpr gems::decl decl{.doc = "e^-|self|: the second result of log_sigmoid_forward"};
  template <class V> GEMS_FN V operator()(V x) const { return gems::exp(-gems::abs(x)); }
};
