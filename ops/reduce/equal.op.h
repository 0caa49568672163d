#include "kernels/lang/lang.h"
struct equal {
  static constexpr gems::decl decl{.aten = "equal",
                                   .fam = gems::family::reduce,
                                   .dtype = gems::rule::boolean,
                                   .in = 2,
                                   .types = "fdl",
                                   .doc = "are two tensors of one shape equal"};
  template <class A> static GEMS_FN A identity() { return A(1); }
  template <class A, class E> static GEMS_FN void map(E e, A (&v)[1]) { v[0] = gems::select(e(0) == e(1), A(1), A(0)); }
  template <class A> static GEMS_FN A combine(A a, A b) { return gems::select(a < b, a, b); }
  template <class A> static GEMS_FN A finish(A a, A) { return a; }
};
