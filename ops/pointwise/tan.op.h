#include "kernels/lang/lang.h"
struct tan {
  static constexpr gems::decl decl{
      .aten = "tan tan_ tan.out", .dtype = gems::rule::to_float, .samples = {-1.5, 1.5}, .doc = "tangent"};
  template <class V> GEMS_FN V operator()(V x) const { return gems::tan(x); }
  template <class V> GEMS_FN bool rare(V x) const { return gems::trig_rare(x); }
  template <class V> GEMS_FN V slow(V x) const { return gems::exact::tan(x); }
};
