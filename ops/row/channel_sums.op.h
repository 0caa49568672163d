#include "kernels/lang/lang.h"
struct channel_sums {
  static constexpr gems::decl decl{.fam = gems::family::row,
                                   .in = 3,
                                   .out = 2,
                                   .types = "fd",
                                   .roles = "ss rrs",
                                   .doc = "grad, x, mean -> of each row the sums of grad and of grad * (x - mean)"};
  template <class R> GEMS_FN void operator()(R& r) const {
    const auto mean = r.stat(2);
    r.store_stat(0, r.sum([&](auto e) { return e(0); }));
    r.store_stat(1, r.sum([&](auto e) { return e(0) * (e(1) - mean); }));
  }
};
