#include "kernels/lang/lang.h"
struct bitwise_left_shift {
  static constexpr gems::decl decl{
      .aten =
          "bitwise_left_shift.Tensor bitwise_left_shift.Tensor_Scalar bitwise_left_shift.Scalar_Tensor "
          "bitwise_left_shift_.Tensor bitwise_left_shift_.Tensor_Scalar bitwise_left_shift.Tensor_out=bitwise_left_shift_out "
          "bitwise_left_shift.Tensor_Scalar_out=bitwise_left_shift_out "
          "bitwise_left_shift.Scalar_Tensor_out=bitwise_left_shift_out "
          "__lshift__.Tensor=lshift __lshift__.Scalar=lshift __ilshift__.Tensor=ilshift __ilshift__.Scalar=ilshift "
          "__lshift__.Tensor_out=lshift_out __lshift__.Scalar_out=lshift_out",
      .in = 2,
      .types = "li",
      .samples = {0, 7},
      .doc = "self * 2^other, wrapped; 0 where other is negative or too large"};
  template <class V> GEMS_FN V operator()(V x, V y) const { return gems::shift_left(x, y); }
};
