#include "kernels/lang/lang.h"
struct cumprod {
  static constexpr gems::decl decl{.aten = "cumprod cumprod_ cumprod.out",
                                   .fam = gems::family::scan,
                                   .dtype = gems::rule::sum,
                                   .types = "fdl",
                                   .samples = {0.5, 1.5},
                                   .doc = "running product along a dimension"};
  template <class A> static GEMS_FN A identity() { return A(1); }
  template <class A> static GEMS_FN A combine(A a, A b) { return a * b; }
};
