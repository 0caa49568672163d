#include "kernels/lang/lang.h"
struct rms_norm_backward {
  static constexpr gems::decl decl{.aten = "_fused_rms_norm_backward=fused_rms_norm_backward",
                                   .fam = gems::family::row,
                                   .in = 4,
                                   .types = "fd",
                                   .roles = "r rrsv",
                                   .doc = "grad, x, rstd, weight -> gradient of rms_norm's input"};
  // With xhat = x * rstd and g = grad * weight:  rstd * (g - xhat * mean(g * xhat)).
  template <class R, class G> static GEMS_FN void run(R& r, G g) {
    auto rstd = r.stat(2);
    auto b = r.sum([&](auto e) { return g(e) * (e(1) * rstd); }) / r.n();
    r.store(0, [&](auto e) { return (g(e) - e(1) * rstd * b) * rstd; });
  }
  template <class R> GEMS_FN void operator()(R& r) const {
    if (r.has(3)) run(r, [](auto e) { return e(0) * e(3); });
    else run(r, [](auto e) { return e(0); });
  }
};
