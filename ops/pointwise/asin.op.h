#include "kernels/lang/lang.h"
struct asin {
  static constexpr gems::decl decl{
      .aten = "asin asin_ asin.out", .dtype = gems::rule::to_float, .samples = {-1, 1}, .doc = "inverse sine"};
  template <class V> GEMS_FN V operator()(V x) const { return gems::asin(x); }
};
