#include "kernels/lang/lang.h"
struct weight_norm_backward {
  static constexpr gems::decl decl{.aten = "_weight_norm_interface_backward=weight_norm_interface_backward",
                                   .fam = gems::family::row,
                                   .in = 4,
                                   .out = 2,
                                   .types = "fd",
                                   .roles = "rs rrss",
                                   .doc = "grad, v, g, norms -> gradients of v and g"};
  template <class R> GEMS_FN void operator()(R& r) const {
    const auto dot = r.sum([&](auto e) { return e(0) * e(1); });
    const auto inv = 1 / r.stat(3), scale = r.stat(2) * inv, back = dot * inv * inv;
    r.store_stat(1, dot * inv);
    r.store(0, [&](auto e) { return scale * (e(0) - e(1) * back); });
  }
};
