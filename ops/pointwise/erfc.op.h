#include "kernels/lang/lang.h"
struct erfc {
  static constexpr gems::decl decl{
      .aten = "erfc erfc_ erfc.out", .dtype = gems::rule::to_float, .samples = {-4, 6}, .doc = "1 - erf(self)"};
  template <class V> GEMS_FN V operator()(V x) const { return gems::erfc(x); }
};
