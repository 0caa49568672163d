#include "kernels/lang/lang.h"
struct logical_xor {
  static constexpr gems::decl decl{.aten = "logical_xor logical_xor_ logical_xor.out",
                                   .dtype = gems::rule::boolean,
                                   .in = 2,
                                   .types = "fdlib",
                                   .doc = "exactly one of self and other; NaN is true"};
  template <class V> GEMS_FN bool operator()(V x, V y) const { return (x != V(0)) != (y != V(0)); }
};
