#include "kernels/lang/lang.h"
struct erf {
  static constexpr gems::decl decl{
      .aten = "erf erf_ erf.out", .dtype = gems::rule::to_float, .samples = {-4, 4}, .doc = "error function"};
  template <class V> GEMS_FN V operator()(V x) const { return gems::erf(x); }
};
