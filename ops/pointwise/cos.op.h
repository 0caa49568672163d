#include "kernels/lang/lang.h"
struct cos {
  static constexpr gems::decl decl{
      .aten = "cos cos_ cos.out", .dtype = gems::rule::to_float, .samples = {-30, 30}, .doc = "cosine"};
  template <class V> GEMS_FN V operator()(V x) const { return gems::cos(x); }
  template <class V> GEMS_FN bool rare(V x) const { return gems::trig_rare(x); }
  template <class V> GEMS_FN V slow(V x) const { return gems::exact::cos(x); }
};
