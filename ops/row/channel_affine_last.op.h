#include "kernels/lang/lang.h"
struct channel_affine_last {
  static constexpr gems::decl decl{
      .fam = gems::family::row, .in = 3, .types = "fd", .roles = "r rvv", .doc = "x * scale + shift, channels along the row"};
  template <class R> GEMS_FN void operator()(R& r) const {
    r.store(0, [&](auto e) { return e(0) * e(1) + e(2); });
  }
};
