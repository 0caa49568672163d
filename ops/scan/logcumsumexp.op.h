#include "kernels/lang/lang.h"
struct logcumsumexp {
  static constexpr gems::decl decl{.aten = "logcumsumexp logcumsumexp.out _logcumsumexp _logcumsumexp.out",
                                   .fam = gems::family::scan,
                                   .types = "fd",
                                   .doc = "logarithm of the running sum of exponentials along a dimension"};
  static constexpr bool log_sum = true;  // the CPU goes by blocks around their greatest element
  template <class A> static GEMS_FN A identity() { return gems::lowest<A>(); }
  // The greater one plus log1p(exp(-distance)); infinities of one sign have no distance.
  template <class A> static GEMS_FN A combine(A a, A b) {
    const A high = gems::select(a != a, a, gems::max(a, b)), low = gems::min(a, b);
    const A distance = gems::select(high == low, A(0), low - high);
    return high + gems::log1p(gems::exp(distance));
  }
};
