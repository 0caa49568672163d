#include "kernels/lang/lang.h"
struct xlogy {
  static constexpr gems::decl decl{
      .aten =
          "xlogy.Tensor xlogy.Scalar_Other=xlogy_tensor_scalar xlogy.Scalar_Self=xlogy_scalar_tensor xlogy_.Tensor "
          "xlogy_.Scalar_Other xlogy.OutTensor=xlogy_out xlogy.OutScalar_Self=xlogy_scalar_tensor_out "
          "xlogy.OutScalar_Other=xlogy_tensor_scalar_out",
      .dtype = gems::rule::to_float,
      .in = 2,
      .samples = {0.01, 6},
      .doc = "self * log(other); 0 where self is 0, NaN where other is"};
  template <class V> GEMS_FN V operator()(V x, V y) const {
    return gems::select(y != y, y, gems::select(x == V(0), V(0), x * gems::log(y)));
  }
};
