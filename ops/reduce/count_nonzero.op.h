#include "kernels/lang/lang.h"
struct count_nonzero {
  static constexpr gems::decl decl{
      .aten =
          "count_nonzero count_nonzero.dim_IntList=count_nonzero_dim count_nonzero.out=count_nonzero_out "
          "count_nonzero.dim_IntList_out=count_nonzero_dim_out",
      .fam = gems::family::reduce,
      .dtype = gems::rule::index,
      .types = "fdl",
      .slots = 1,
      .doc = "how many elements aren't zero"};
  static constexpr int passes = 1;
  static constexpr bool exact = true;  // a block is counted in its elements' type, all blocks in double or int64
  template <int P, class A> static GEMS_FN A none() { return A(0); }
  template <int P, class A> static GEMS_FN A term(A x, const A (&)[1], A) { return gems::select(x != A(0), A(1), A(0)); }
  template <int P, class A> static GEMS_FN A join(A a, A b) { return a + b; }
  template <int P, class A> static GEMS_FN void after(A (&)[1], A) {}
  template <class W> static GEMS_FN void close(W (&)[1], W) {}
  template <class W> static GEMS_FN void merge(W (&a)[1], const W (&b)[1]) { a[0] = a[0] + b[0]; }
  template <int O, class W> static GEMS_FN W finish(const W (&s)[1], W, W) { return s[0]; }
};
