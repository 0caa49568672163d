#include "kernels/lang/lang.h"
struct log1p {
  static constexpr gems::decl decl{
      .aten = "log1p log1p_ log1p.out", .dtype = gems::rule::to_float, .samples = {-0.9, 9}, .doc = "log(1 + self)"};
  template <class V> GEMS_FN V operator()(V x) const { return gems::log1p(x); }
};
