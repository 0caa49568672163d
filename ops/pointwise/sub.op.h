#include "kernels/lang/lang.h"
struct sub {
  static constexpr gems::decl decl{.aten = "sub.Tensor sub.Scalar sub_.Tensor sub_.Scalar sub.out sub.Scalar_out=sub_out",
                                   .in = 2,
                                   .par = 1,
                                   .wide = 0x30,
                                   .types = "fdli!",
                                   .doc = "self - alpha * other"};
  template <class V> GEMS_FN V operator()(V x, V y, V alpha) const { return x - alpha * y; }
};
