#include "kernels/lang/lang.h"
struct nansum {
  static constexpr gems::decl decl{.aten = "nansum nansum.out",
                                   .fam = gems::family::reduce,
                                   .dtype = gems::rule::sum,
                                   .types = "fdl",
                                   .doc = "sum over dimensions of what isn't NaN"};
  template <class A> static GEMS_FN A identity() { return A(0); }
  template <class A> static GEMS_FN A map(A x) { return gems::select(x == x, x, A(0)); }
  template <class A> static GEMS_FN A combine(A a, A b) { return a + b; }
  template <class A> static GEMS_FN A finish(A a, A) { return a; }
};
