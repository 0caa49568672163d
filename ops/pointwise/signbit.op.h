#include "kernels/lang/lang.h"
struct signbit {
  static constexpr gems::decl decl{.aten = "signbit signbit.out",
                                   .dtype = gems::rule::boolean,
                                   .types = "fdlib",
                                   .doc = "the sign is negative; also of -0 and NaN"};
  template <class V> GEMS_FN bool operator()(V x) const {
    if constexpr (gems::is_float<V>) return (gems::as_bits(x) & gems::layout<V>::sign) != 0;
    else if constexpr (gems::is_same<V, bool>) return false;
    else return x < V(0);
  }
};
