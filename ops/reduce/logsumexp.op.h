#include "kernels/lang/lang.h"
struct logsumexp {
  static constexpr gems::decl decl{.aten = "logsumexp logsumexp.out",
                                   .fam = gems::family::reduce,
                                   .dtype = gems::rule::to_float,
                                   .types = "fd",
                                   .slots = 2,
                                   .doc = "log(sum(exp(x))) over dimensions"};
  // The greatest element m of a block, then the sum of exp(x - m); an infinite m (nothing but -inf, or an inf) moves nothing.
  static constexpr int passes = 2;
  template <class A> static GEMS_FN A shift(A m) { return gems::select(gems::abs(m) < gems::highest<A>(), m, A(0)); }
  template <int P, class A> static GEMS_FN A none() { return P == 0 ? gems::lowest<A>() : A(0); }
  template <int P, class A> static GEMS_FN A term(A x, const A (&s)[2], A) {
    if constexpr (P == 0) return x;
    else return gems::exp(x - shift(s[0]));
  }
  // A NaN may be lost among the greatest, but not in the sum.
  template <int P, class A> static GEMS_FN A join(A a, A b) {
    if constexpr (P == 0) return gems::select(a > b, a, b);
    else return a + b;
  }
  template <int P, class A> static GEMS_FN void after(A (&)[2], A) {}
  template <class W> static GEMS_FN void close(W (&)[2], W) {}
  template <class W> static GEMS_FN void merge(W (&a)[2], const W (&b)[2]) {
    const W m = gems::select(a[0] > b[0], a[0], b[0]), to = shift(m);
    a[1] = a[1] * gems::exp(shift(a[0]) - to) + b[1] * gems::exp(shift(b[0]) - to);
    a[0] = m;
  }
  template <int O, class W> static GEMS_FN W finish(const W (&s)[2], W, W) { return gems::log(s[1]) + shift(s[0]); }
};
