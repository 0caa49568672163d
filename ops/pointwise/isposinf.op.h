#include "kernels/lang/lang.h"
struct isposinf {
  static constexpr gems::decl decl{
      .aten = "isposinf isposinf.out", .dtype = gems::rule::boolean, .types = "fdlb", .doc = "self is +infinity"};
  template <class V> GEMS_FN bool operator()(V x) const {
    if constexpr (gems::is_float<V>) return x == gems::infinity<V>();
    else return false;
  }
};
