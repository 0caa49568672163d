#include "kernels/lang/lang.h"
struct log {
  static constexpr gems::decl decl{
      .aten = "log log_ log.out", .dtype = gems::rule::to_float, .samples = {0.01, 9}, .doc = "natural logarithm"};
  template <class V> GEMS_FN V operator()(V x) const { return gems::log(x); }
};
