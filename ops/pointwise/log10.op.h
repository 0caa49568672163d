#include "kernels/lang/lang.h"
struct log10 {
  static constexpr gems::decl decl{
      .aten = "log10 log10_ log10.out", .dtype = gems::rule::to_float, .samples = {0.01, 9}, .doc = "logarithm to base 10"};
  template <class V> GEMS_FN V operator()(V x) const { return gems::log10(x); }
};
