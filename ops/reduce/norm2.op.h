#include "kernels/lang/lang.h"
struct norm2 {
  static constexpr gems::decl decl{
      .aten = "linalg_vector_norm=vector_norm linalg_vector_norm.out=vector_norm_out",
      .fam = gems::family::reduce,
      .types = "fd",
      .doc =
          "linalg_vector_norm with ord 2: root of the sum of squares; other orders are norm0, norm1, norm_p, norm_max, norm_min"};
  template <class A> static GEMS_FN A identity() { return A(0); }
  template <class A> static GEMS_FN A map(A x) { return x * x; }
  template <class A> static GEMS_FN A combine(A a, A b) { return a + b; }
  template <class A> static GEMS_FN A finish(A a, A) { return gems::sqrt(a); }
};
