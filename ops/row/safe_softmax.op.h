#include "kernels/lang/lang.h"
struct safe_softmax {
  static constexpr gems::decl decl{.aten = "_safe_softmax",
                                   .fam = gems::family::row,
                                   .types = "fd",
                                   .roles = "r r",
                                   .doc = "softmax; rows of nothing but -inf become 0"};
  template <class R> GEMS_FN void operator()(R& r) const {
    // With 0 in place of a maximum of -inf every exponential and their sum are 0. A NaN doesn't get into the maximum, but into the sum.
    auto m = r.max([&](auto e) { return e(0); });
    m = m == gems::lowest<decltype(m)>() ? decltype(m)(0) : m;
    if constexpr (requires { R::keeps_values; }) {
      const auto sum = r.sum_keep(0, [&](auto e) { return gems::exp(e(0) - m); });
      const auto inv = sum == 0 ? sum : 1 / sum;
      r.store(0, [&](auto e) { return e(0) * inv; });
    } else {
      const auto sum = r.sum([&](auto e) { return gems::exp(e(0) - m); });
      const auto inv = sum == 0 ? sum : 1 / sum;
      r.store(0, [&](auto e) { return gems::exp(e(0) - m) * inv; });
    }
  }
};
