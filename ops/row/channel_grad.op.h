#include "kernels/lang/lang.h"
struct channel_grad {
  static constexpr gems::decl decl{
      .fam = gems::family::row,
      .in = 5,
      .types = "fd",
      .roles = "r rrsss",
      .doc = "grad * a + x * b + c, one of each for a row (a channel): gradient of batch and group norm"};
  template <class R> GEMS_FN void operator()(R& r) const {
    const auto a = r.stat(2), b = r.stat(3), c = r.stat(4);
    r.store(0, [&](auto e) { return e(0) * a + (e(1) * b + c); });
  }
};
