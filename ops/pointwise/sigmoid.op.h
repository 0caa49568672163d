#include "kernels/lang/lang.h"
struct sigmoid {
  static constexpr gems::decl decl{
      .aten = "sigmoid sigmoid_ sigmoid.out", .dtype = gems::rule::to_float, .samples = {-30, 30}, .doc = "1 / (1 + exp(-self))"};
  template <class V> GEMS_FN V operator()(V x) const { return gems::sigmoid(x); }
};
