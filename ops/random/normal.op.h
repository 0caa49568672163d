#include "kernels/lang/lang.h"
#include "kernels/lang/random.h"
struct normal {
  static constexpr gems::decl decl{.aten =
                                       "normal_ randn randn.generator=randn randn_like randn_like.generator=randn_like "
                                       "normal.Tensor_float=normal_tensor_float normal.float_Tensor=normal_float_tensor "
                                       "normal.Tensor_Tensor=normal_tensor_tensor",
                                   .fam = gems::family::random,
                                   .in = 0,
                                   .par = 2,
                                   .types = "fd",
                                   .doc = "normal with mean and std"};
  static constexpr gems::draw draws = gems::draw::normal;
  template <class V> GEMS_FN V operator()(V z, V mean, V std, V) const { return z * std + mean; }
};
