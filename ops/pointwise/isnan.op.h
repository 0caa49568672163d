#include "kernels/lang/lang.h"
struct isnan {
  static constexpr gems::decl decl{
      .aten = "isnan isnan.out", .dtype = gems::rule::boolean, .types = "fdlb", .doc = "self is NaN"};
  template <class V> GEMS_FN bool operator()(V x) const { return x != x; }
};
