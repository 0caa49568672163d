#include "kernels/lang/lang.h"
struct layer_norm_backward {
  static constexpr gems::decl decl{.aten =
                                       "native_layer_norm_backward=layer_norm_backward "
                                       "native_layer_norm_backward.out=layer_norm_backward_out",
                                   .fam = gems::family::row,
                                   .in = 5,
                                   .types = "fd",
                                   .roles = "r rrssv",
                                   .doc = "grad, x, mean, rstd, weight -> gradient of layer_norm's input"};
  // With xhat = (x - mean) * rstd and g = grad * weight:  rstd * (g - mean(g) - xhat * mean(g * xhat)).
  template <class R, class G> static GEMS_FN void run(R& r, G g) {
    auto mean = r.stat(2), rstd = r.stat(3);
    auto a = r.sum(g) / r.n();
    auto b = r.sum([&](auto e) { return g(e) * ((e(1) - mean) * rstd); }) / r.n();
    r.store(0, [&](auto e) { return (g(e) - a - (e(1) - mean) * rstd * b) * rstd; });
  }
  template <class R> GEMS_FN void operator()(R& r) const {
    if (r.has(4)) run(r, [](auto e) { return e(0) * e(4); });
    else run(r, [](auto e) { return e(0); });
  }
};
