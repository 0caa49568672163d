#include "kernels/lang/lang.h"
struct isinf {
  static constexpr gems::decl decl{
      .aten = "isinf isinf.out", .dtype = gems::rule::boolean, .types = "fdlb", .doc = "self is infinite"};
  template <class V> GEMS_FN bool operator()(V x) const {
    if constexpr (gems::is_float<V>) return gems::abs(x) == gems::infinity<V>();
    else return false;
  }
};
