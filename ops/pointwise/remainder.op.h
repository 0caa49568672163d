#include "kernels/lang/lang.h"
struct remainder {
  static constexpr gems::decl decl{.aten =
                                       "remainder.Tensor=remainder_tensor remainder.Scalar=remainder_scalar "
                                       "remainder.Scalar_Tensor=remainder_scalar_tensor "
                                       "remainder_.Tensor=remainder_tensor_ remainder_.Scalar=remainder_scalar_ "
                                       "remainder.Tensor_out=remainder_out remainder.Scalar_out=remainder_scalar_out "
                                       "remainder.Scalar_Tensor_out=remainder_scalar_tensor_out",
                                   .in = 2,
                                   .types = "fdli",
                                   .samples = {0.5, 4},
                                   .doc = "remainder with the sign of other"};
  template <class V> GEMS_FN V operator()(V x, V y) const { return gems::remainder(x, y); }
  template <class V>
  requires(!gems::is_same<V, int>) GEMS_FN bool rare(V x, V y) const { return gems::fmod_rare(x, y); }
  template <class V> GEMS_FN V slow(V x, V y) const { return gems::remainder_from(gems::exact::fmod(x, y), y); }
  template <class V>
  requires gems::integer<V> GEMS_FN bool invalid(V, V y) const { return y == V(0); }
  static constexpr const char* error = "ZeroDivisionError";
};
