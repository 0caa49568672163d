#include "kernels/lang/lang.h"
struct isneginf {
  static constexpr gems::decl decl{
      .aten = "isneginf isneginf.out", .dtype = gems::rule::boolean, .types = "fdlb", .doc = "self is -infinity"};
  template <class V> GEMS_FN bool operator()(V x) const {
    if constexpr (gems::is_float<V>) return x == -gems::infinity<V>();
    else return false;
  }
};
