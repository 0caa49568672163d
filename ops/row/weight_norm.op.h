#include "kernels/lang/lang.h"
struct weight_norm {
  static constexpr gems::decl decl{.aten = "_weight_norm_interface=weight_norm_interface",
                                   .fam = gems::family::row,
                                   .in = 2,
                                   .out = 2,
                                   .types = "fd",
                                   .roles = "rs rs",
                                   .doc = "v * (g / norm of v), a norm for each index of one dimension; also the norms"};
  template <class R> GEMS_FN void operator()(R& r) const {
    const auto norm = gems::sqrt(r.sum([&](auto e) { return e(0) * e(0); }));
    const auto scale = r.stat(1) / norm;
    r.store_stat(1, norm);
    r.store(0, [&](auto e) { return e(0) * scale; });
  }
};
