#include "kernels/lang/lang.h"
struct norm_max {
  static constexpr gems::decl decl{
      .fam = gems::family::reduce, .types = "fd", .doc = "linalg_vector_norm with ord inf: largest magnitude"};
  template <class A> static GEMS_FN A identity() { return A(0); }
  template <class A> static GEMS_FN A map(A x) { return gems::abs(x); }
  template <class A> static GEMS_FN A combine(A a, A b) { return gems::select((a > b) | (a != a), a, b); }
  template <class A> static GEMS_FN A finish(A a, A) { return a; }
};
