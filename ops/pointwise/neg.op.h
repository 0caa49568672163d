#include "kernels/lang/lang.h"
struct neg {
  static constexpr gems::decl decl{.aten = "neg neg_ neg.out", .types = "fdli!", .doc = "-self"};
  static constexpr bool exact = true;
  template <class V> GEMS_FN V operator()(V x) const { return -x; }
};
