#include "kernels/lang/lang.h"
struct softmax_backward {
  static constexpr gems::decl decl{.aten =
                                       "_softmax_backward_data=softmax_backward "
                                       "_softmax_backward_data.out=softmax_backward_out",
                                   .fam = gems::family::row,
                                   .in = 2,
                                   .types = "fd",
                                   .roles = "r rr",
                                   .doc = "grad, output -> output * (grad - sum(grad * output))"};
  template <class R> GEMS_FN void operator()(R& r) const {
    auto s = r.sum([&](auto e) { return e(0) * e(1); });
    r.store(0, [&](auto e) { return (e(0) - s) * e(1); });
  }
};
