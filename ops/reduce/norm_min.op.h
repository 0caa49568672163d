#include "kernels/lang/lang.h"
struct norm_min {
  static constexpr gems::decl decl{
      .fam = gems::family::reduce, .types = "fd", .doc = "linalg_vector_norm with ord -inf: smallest magnitude"};
  template <class A> static GEMS_FN A identity() { return gems::highest<A>(); }
  template <class A> static GEMS_FN A map(A x) { return gems::abs(x); }
  template <class A> static GEMS_FN A combine(A a, A b) { return gems::select((a < b) | (a != a), a, b); }
  template <class A> static GEMS_FN A finish(A a, A) { return a; }
};
