#include "kernels/lang/lang.h"
struct binary_cross_entropy {
  static constexpr gems::decl decl{.aten = "binary_cross_entropy binary_cross_entropy.out",
                                   .in = 3,
                                   .par = 1,
                                   .types = "fd=",
                                   .missing = "- - 1",
                                   .samples = {0.01, 0.99},
                                   .doc = "-weight * (target log(self) + (1 - target) log(1 - self)), logarithms from -100 on"};
  template <class V> GEMS_FN V operator()(V x, V y, V weight, V) const {
#if GEMS_DEVICE
    if (invalid(x, y, weight, V(0))) __trap();  // as torch: a device-side assertion
#endif
    V no = gems::max(gems::log1p(-x), V(-100)), yes = gems::max(gems::log(x), V(-100));
    return ((y - V(1)) * no - y * yes) * weight;
  }
  template <class V> GEMS_FN bool invalid(V x, V, V, V) const { return (x < V(0)) | (x > V(1)) | (x != x); }
  static constexpr const char* error = "all elements of input should be between 0 and 1";
};
