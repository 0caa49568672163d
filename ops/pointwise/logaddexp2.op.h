#include "kernels/lang/lang.h"
struct logaddexp2 {
  static constexpr gems::decl decl{.aten = "logaddexp2 logaddexp2.out", .in = 2, .doc = "log2(2^self + 2^other)"};
  template <class V> GEMS_FN V operator()(V x, V y) const { return gems::logaddexp2(x, y); }
};
