#include "kernels/lang/lang.h"
struct norm0 {
  static constexpr gems::decl decl{
      .fam = gems::family::reduce, .types = "fd", .doc = "linalg_vector_norm with ord 0: how many elements aren't zero"};
  template <class A> static GEMS_FN A identity() { return A(0); }
  template <class A> static GEMS_FN A map(A x) { return gems::select(x != A(0), A(1), A(0)); }
  template <class A> static GEMS_FN A combine(A a, A b) { return a + b; }
  template <class A> static GEMS_FN A finish(A a, A) { return a; }
};
