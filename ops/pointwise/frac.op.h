#include "kernels/lang/lang.h"
struct frac {
  static constexpr gems::decl decl{.aten = "frac frac_ frac.out", .doc = "self - trunc(self)"};
  static constexpr bool exact = true;
  template <class V> GEMS_FN V operator()(V x) const { return x - gems::trunc(x); }
};
