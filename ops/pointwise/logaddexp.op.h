#include "kernels/lang/lang.h"
struct logaddexp {
  static constexpr gems::decl decl{.aten = "logaddexp logaddexp.out", .in = 2, .doc = "log(e^self + e^other)"};
  template <class V> GEMS_FN V operator()(V x, V y) const { return gems::logaddexp(x, y); }
};
