#include "kernels/lang/lang.h"
struct layer_norm {
  static constexpr gems::decl decl{.aten = "native_layer_norm native_layer_norm.out",
                                   .fam = gems::family::row,
                                   .in = 3,
                                   .par = 1,
                                   .out = 3,
                                   .types = "fd",
                                   .roles = "rss rvv",
                                   .doc = "(x - mean) * rstd * weight + bias; also mean and rstd"};
  template <class R> GEMS_FN void operator()(R& r) const {
    auto mean = r.sum([&](auto e) { return e(0); }) / r.n();
    auto var = r.sum([&](auto e) {
      auto d = e(0) - mean;
      return d * d;
    }) / r.n();  // second pass: no cancellation
    auto rstd = gems::rsqrt(var + r.par(0));
    r.store_stat(1, mean);
    r.store_stat(2, rstd);
    if (r.has(1) && r.has(2)) r.store(0, [&](auto e) { return (e(0) - mean) * rstd * e(1) + e(2); });
    else if (r.has(1)) r.store(0, [&](auto e) { return (e(0) - mean) * rstd * e(1); });
    else if (r.has(2)) r.store(0, [&](auto e) { return (e(0) - mean) * rstd + e(2); });
    else r.store(0, [&](auto e) { return (e(0) - mean) * rstd; });
  }
};
