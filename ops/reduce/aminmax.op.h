#include "kernels/lang/lang.h"
struct aminmax {
  static constexpr gems::decl decl{.aten = "aminmax aminmax.out",
                                   .fam = gems::family::reduce,
                                   .out = 2,
                                   .types = "fdl",
                                   .slots = 2,
                                   .doc = "smallest and largest element; NaN propagates"};
  static constexpr int passes = 2;
  static constexpr bool together = true;  // neither needs the other
  template <int P, class A> static GEMS_FN A none() { return P == 0 ? gems::highest<A>() : gems::lowest<A>(); }
  template <int P, class A> static GEMS_FN A term(A x, const A (&)[2], A) { return x; }
  // A NaN on either side comes through, as in amin.
  template <int P, class A> static GEMS_FN A join(A a, A b) {
    if constexpr (P == 0) return gems::select((a < b) | (a != a), a, b);
    else return gems::select((a > b) | (a != a), a, b);
  }
  template <int P, class A> static GEMS_FN void after(A (&)[2], A) {}
  template <class W> static GEMS_FN void close(W (&)[2], W) {}
  template <class W> static GEMS_FN void merge(W (&a)[2], const W (&b)[2]) {
    a[0] = join<0>(a[0], b[0]);
    a[1] = join<1>(a[1], b[1]);
  }
  template <int O, class W> static GEMS_FN W finish(const W (&s)[2], W, W) { return s[O]; }
};
