#include "kernels/lang/lang.h"
struct logical_and {
  static constexpr gems::decl decl{.aten = "logical_and logical_and_ logical_and.out",
                                   .dtype = gems::rule::boolean,
                                   .in = 2,
                                   .types = "fdlib",
                                   .doc = "self && other; NaN is true"};
  template <class V> GEMS_FN bool operator()(V x, V y) const { return (x != V(0)) & (y != V(0)); }
};
