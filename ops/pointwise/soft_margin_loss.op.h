#include "kernels/lang/lang.h"
struct soft_margin_loss {
  static constexpr gems::decl decl{
      .aten = "soft_margin_loss soft_margin_loss.out", .in = 2, .par = 1, .types = "fd=", .doc = "log(1 + e^(-target * self))"};
  template <class V> GEMS_FN V operator()(V x, V y, V) const { return gems::log1p(gems::exp(-y * x)); }
};
