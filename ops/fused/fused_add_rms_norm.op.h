#include "kernels/lang/lang.h"
struct fused_add_rms_norm {
  static constexpr gems::decl decl{.aten = "flag_gems::fused_add_rms_norm",
                                   .fam = gems::family::row,
                                   .in = 3,
                                   .par = 1,
                                   .out = 2,
                                   .types = "fd",
                                   .roles = "rr rrv",
                                   .schema =
                                       "flag_gems::fused_add_rms_norm(Tensor(a!) input, Tensor(b!) residual, Tensor weight, "
                                       "float epsilon) -> ()",
                                   .doc = "in place: residual += input; input = rms_norm(residual) * weight"};
  template <class R> GEMS_FN void operator()(R& r) const {
    r.update(1, 1, [&](auto e) { return e(0) + e(1); });  // what follows sees the sum as it was rounded for the residual
    auto ss = r.sum([&](auto e) { return e(1) * e(1); });
    auto rstd = gems::rsqrt(ss / r.n() + r.par(0));
    r.store(0, [&](auto e) { return e(1) * rstd * e(2); });
  }
};
