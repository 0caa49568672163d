#include "kernels/lang/lang.h"
struct log2 {
  static constexpr gems::decl decl{
      .aten = "log2 log2_ log2.out", .dtype = gems::rule::to_float, .samples = {0.01, 9}, .doc = "logarithm to base 2"};
  template <class V> GEMS_FN V operator()(V x) const { return gems::log2(x); }
};
