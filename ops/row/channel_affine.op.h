#include "kernels/lang/lang.h"
struct channel_affine {
  static constexpr gems::decl decl{.fam = gems::family::row,
                                   .in = 3,
                                   .types = "fd",
                                   .roles = "r rss",
                                   .doc = "x * scale + shift, one of each for a row (a channel)"};
  template <class R> GEMS_FN void operator()(R& r) const {
    const auto a = r.stat(1), b = r.stat(2);
    r.store(0, [&](auto e) { return e(0) * a + b; });
  }
};
