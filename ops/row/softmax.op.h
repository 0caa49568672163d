#include "kernels/lang/lang.h"
struct softmax {
  static constexpr gems::decl decl{.aten = "_softmax=softmax _softmax.out=softmax_out",
                                   .fam = gems::family::row,
                                   .types = "fd",
                                   .roles = "r r",
                                   .doc = "exp(x - max) / sum(exp(x - max)) along one dimension"};
  template <class R> GEMS_FN void operator()(R& r) const {
    auto m = r.max([&](auto e) { return e(0); });
    if constexpr (requires { R::keeps_values; }) {  // the row lies in memory (CPU): an exponential costs more than a load
      auto inv = 1 / r.sum_keep(0, [&](auto e) { return gems::exp(e(0) - m); });
      r.store(0, [&](auto e) { return e(0) * inv; });
    } else {
      auto inv = 1 / r.sum([&](auto e) { return gems::exp(e(0) - m); });
      r.store(0, [&](auto e) { return gems::exp(e(0) - m) * inv; });
    }
  }
};
