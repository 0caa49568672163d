#include "kernels/lang/lang.h"
struct channel_grad_last {
  static constexpr gems::decl decl{.fam = gems::family::row,
                                   .in = 5,
                                   .types = "fd",
                                   .roles = "r rrvvv",
                                   .doc = "grad * a + x * b + c, channels along the row"};
  template <class R> GEMS_FN void operator()(R& r) const {
    r.store(0, [&](auto e) { return e(0) * e(2) + (e(1) * e(3) + e(4)); });
  }
};
