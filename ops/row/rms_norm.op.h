#include "kernels/lang/lang.h"
struct rms_norm {
  static constexpr gems::decl decl{.aten = "_fused_rms_norm=fused_rms_norm rms_norm",
                                   .fam = gems::family::row,
                                   .in = 2,
                                   .par = 1,
                                   .out = 2,
                                   .types = "fd",
                                   .roles = "rs rv",
                                   .doc = "x * rsqrt(mean(x * x) + eps) * weight; second output rstd"};
  template <class R> GEMS_FN void operator()(R& r) const {
    auto ss = r.sum([&](auto e) { return e(0) * e(0); });
    auto rstd = gems::rsqrt(ss / r.n() + r.par(0));
    r.store_stat(1, rstd);
    if (r.has(1)) r.store(0, [&](auto e) { return e(0) * rstd * e(1); });
    else r.store(0, [&](auto e) { return e(0) * rstd; });
  }
};
