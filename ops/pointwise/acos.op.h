#include "kernels/lang/lang.h"
struct acos {
  static constexpr gems::decl decl{
      .aten = "acos acos_ acos.out", .dtype = gems::rule::to_float, .samples = {-1, 1}, .doc = "inverse cosine"};
  template <class V> GEMS_FN V operator()(V x) const { return gems::acos(x); }
};
