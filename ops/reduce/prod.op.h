#include "kernels/lang/lang.h"
struct prod {
  static constexpr gems::decl decl{.aten = "prod prod.dim_int=prod_dim prod.out=prod_out prod.int_out=prod_dim_out",
                                   .fam = gems::family::reduce,
                                   .dtype = gems::rule::sum,
                                   .types = "fdl",
                                   .samples = {0.5, 1.5},
                                   .doc = "product over dimensions"};
  template <class A> static GEMS_FN A identity() { return A(1); }
  template <class A> static GEMS_FN A map(A x) { return x; }
  template <class A> static GEMS_FN A combine(A a, A b) { return a * b; }
  template <class A> static GEMS_FN A finish(A a, A) { return a; }
};
