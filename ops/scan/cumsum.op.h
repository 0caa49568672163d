#include "kernels/lang/lang.h"
struct cumsum {
  static constexpr gems::decl decl{.aten = "cumsum cumsum_ cumsum.out",
                                   .fam = gems::family::scan,
                                   .dtype = gems::rule::sum,
                                   .types = "fdl",
                                   .doc = "running sum along a dimension"};
  template <class A> static GEMS_FN A identity() { return A(0); }
  template <class A> static GEMS_FN A combine(A a, A b) { return a + b; }
};
