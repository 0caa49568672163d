#include "kernels/lang/lang.h"
struct log_softmax {
  static constexpr gems::decl decl{.aten = "_log_softmax=log_softmax _log_softmax.out=log_softmax_out",
                                   .fam = gems::family::row,
                                   .types = "fd",
                                   .roles = "r r",
                                   .doc = "x - max - log(sum(exp(x - max))) along one dimension"};
  template <class R> GEMS_FN void operator()(R& r) const {
    auto m = r.max([&](auto e) { return e(0); });
    auto l = gems::log(r.sum([&](auto e) { return gems::exp(e(0) - m); }));
    r.store(0, [&](auto e) { return (e(0) - m) - l; });
  }
};
