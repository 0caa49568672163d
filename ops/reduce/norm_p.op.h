#include "kernels/lang/lang.h"
struct norm_p {
  static constexpr gems::decl decl{.fam = gems::family::reduce,
                                   .par = 1,
                                   .types = "fd",
                                   .slots = 1,
                                   .doc = "linalg_vector_norm with another ord p: (sum of |x|^p)^(1/p)"};
  static constexpr int passes = 1;
  template <int P, class A> static GEMS_FN A none() { return A(0); }
  template <int P, class A> static GEMS_FN A term(A x, const A (&)[1], A p) { return gems::pow(gems::abs(x), p); }
  template <int P, class A> static GEMS_FN A join(A a, A b) { return a + b; }
  template <int P, class A> static GEMS_FN void after(A (&)[1], A) {}
  template <class W> static GEMS_FN void close(W (&)[1], W) {}
  template <class W> static GEMS_FN void merge(W (&a)[1], const W (&b)[1]) { a[0] = a[0] + b[0]; }
  template <int O, class W> static GEMS_FN W finish(const W (&s)[1], W, W p) { return gems::pow(s[0], W(1) / p); }
};
