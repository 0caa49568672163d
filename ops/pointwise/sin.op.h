#include "kernels/lang/lang.h"
struct sin {
  static constexpr gems::decl decl{.aten = "sin sin_ sin.out",
                                   .dtype = gems::rule::to_float, .samples = {-30, 30}, .doc = "sine"};
  template <class V> GEMS_FN V operator()(V x) const { return gems::sin(x); }
};
