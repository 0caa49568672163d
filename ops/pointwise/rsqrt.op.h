#include "kernels/lang/lang.h"
struct rsqrt {
  static constexpr gems::decl decl{
      .aten = "rsqrt rsqrt_ rsqrt.out", .dtype = gems::rule::to_float, .samples = {0.01, 9}, .doc = "1 / sqrt(self)"};
  template <class V> GEMS_FN V operator()(V x) const { return gems::rsqrt(x); }
};
