#include "kernels/lang/lang.h"
struct logical_not {
  static constexpr gems::decl decl{.aten = "logical_not logical_not_ logical_not.out",
                                   .dtype = gems::rule::boolean,
                                   .types = "fdlib",
                                   .doc = "!self; NaN is true"};
  template <class V> GEMS_FN bool operator()(V x) const { return x == V(0); }
};
