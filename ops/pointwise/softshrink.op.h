#include "kernels/lang/lang.h"
struct softshrink {
  static constexpr gems::decl decl{
      .aten = "softshrink softshrink.out", .par = 1, .doc = "self brought nearer to 0 by lambd; 0 within [-lambd, lambd]"};
  template <class V> GEMS_FN V operator()(V x, V lambd) const {
    V y = gems::select(x < -lambd, x + lambd, x * V(0));
    return gems::select(x > lambd, x - lambd, y);
  }
};
