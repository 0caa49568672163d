#include "kernels/lang/lang.h"
#include "kernels/lang/random.h"
struct geometric {
  static constexpr gems::decl decl{.aten = "geometric_",
                                   .fam = gems::family::random,
                                   .in = 0,
                                   .par = 1,
                                   .types = "fd",
                                   .doc = "number of trials up to the first success"};
  static constexpr gems::draw draws = gems::draw::wide;
  template <class V> GEMS_FN V operator()(V u, V p, V, V) const { return gems::ceil(gems::fast_log(u) / gems::fast_log1p(-p)); }
};
