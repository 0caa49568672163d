#include "kernels/lang/lang.h"
struct sin {
  static constexpr gems::decl decl{
      .aten = "sin sin_ sin.out", .dtype = gems::rule::to_float, .samples = {-30, 30}, .doc = "sine"};
  template <class V> GEMS_FN V operator()(V x) const { return gems::sin(x); }
  template <class V> GEMS_FN bool rare(V x) const { return gems::trig_rare(x); }
  template <class V> GEMS_FN V slow(V x) const { return gems::exact::sin(x); }
};
