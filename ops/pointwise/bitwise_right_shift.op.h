#include "kernels/lang/lang.h"
struct bitwise_right_shift {
  static constexpr gems::decl decl{
      .aten =
          "bitwise_right_shift.Tensor bitwise_right_shift.Tensor_Scalar bitwise_right_shift.Scalar_Tensor "
          "bitwise_right_shift_.Tensor bitwise_right_shift_.Tensor_Scalar bitwise_right_shift.Tensor_out=bitwise_right_shift_out "
          "bitwise_right_shift.Tensor_Scalar_out=bitwise_right_shift_out "
          "bitwise_right_shift.Scalar_Tensor_out=bitwise_right_shift_out "
          "__rshift__.Tensor=rshift __rshift__.Scalar=rshift __irshift__.Tensor=irshift __irshift__.Scalar=irshift "
          "__rshift__.Tensor_out=rshift_out __rshift__.Scalar_out=rshift_out",
      .in = 2,
      .types = "li",
      .samples = {0, 7},
      .doc = "self / 2^other rounded down; the sign where other is negative or too large"};
  template <class V> GEMS_FN V operator()(V x, V y) const { return gems::shift_right(x, y); }
};
