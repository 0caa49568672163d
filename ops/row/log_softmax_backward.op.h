#include "kernels/lang/lang.h"
struct log_softmax_backward {
  static constexpr gems::decl decl{.aten =
                                       "_log_softmax_backward_data=log_softmax_backward "
                                       "_log_softmax_backward_data.out=log_softmax_backward_out",
                                   .fam = gems::family::row,
                                   .in = 2,
                                   .types = "fd",
                                   .roles = "r rr",
                                   .doc = "grad, output -> grad - exp(output) * sum(grad)"};
  template <class R> GEMS_FN void operator()(R& r) const {
    auto s = r.sum([&](auto e) { return e(0); });
    r.store(0, [&](auto e) { return e(0) - gems::exp(e(1)) * s; });
  }
};
