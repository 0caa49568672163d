#include "kernels/lang/lang.h"
struct amin {
  static constexpr gems::decl decl{.aten = "amin amin.out",
                                   .fam = gems::family::reduce,
                                   .types = "fdl",
                                   .doc = "smallest element over dimensions; NaN propagates"};
  // A NaN on either side comes through: the comparison with a NaN b is false, and a NaN a is kept by a != a.
  template <class A> static GEMS_FN A identity() { return gems::highest<A>(); }
  template <class A> static GEMS_FN A map(A x) { return x; }
  template <class A> static GEMS_FN A combine(A a, A b) { return gems::select((a < b) | (a != a), a, b); }
  template <class A> static GEMS_FN A finish(A a, A) { return a; }
};
