// Mean and sum of squared deviations by blocks, for reductions in passes: the base of their functors.
#pragma once
#include "kernels/lang/lang.h"

namespace gems {

// Of a block first the mean, then the sums of the deviations from it and of their squares: the former says what rounding left of the
// mean and corrects both (the corrected two-pass algorithm of Chan, Golub and LeVeque, 1983). Then the slots are mean, count, sum of
// squares, merged as in their pairwise algorithm.
struct moments {
  static constexpr int passes = 3;
  template <int P, class A> static GEMS_FN A none() { return A(0); }
  template <int P, class A> static GEMS_FN A term(A x, const A (&s)[3], A) {
    if constexpr (P == 0) return x;
    else if constexpr (P == 1) return x - s[0];
    else return (x - s[0]) * (x - s[0]);
  }
  template <int P, class A> static GEMS_FN A join(A a, A b) { return a + b; }
  template <int P, class A> static GEMS_FN void after(A (&s)[3], A n) {
    if constexpr (P == 0) s[0] = s[0] / n;
  }
  template <class W> static GEMS_FN void close(W (&s)[3], W n) {
    const W e = s[1] / n, squares = s[2] - s[1] * e;
    s[0] = s[0] + e;
    s[1] = n;
    s[2] = select(squares < W(0), W(0), squares);  // NaN stays
  }
  template <class W> static GEMS_FN void merge(W (&a)[3], const W (&b)[3]) {
    const W n = a[1] + b[1], part = select(n > W(0), b[1] / n, W(0)), d = b[0] - a[0];
    a[2] = a[2] + b[2] + d * d * (a[1] * part);
    a[0] = a[0] + d * part;
    a[1] = n;
  }
  template <class W> static GEMS_FN W variance(const W (&s)[3], W count, W correction) {
    const W freedom = count - correction;
    return s[2] / select(freedom > W(0), freedom, W(0));
  }
};

}  // namespace gems
