#include "kernels/lang/lang.h"
struct fmod {
  static constexpr gems::decl decl{.aten =
                                       "fmod.Tensor=fmod_tensor fmod.Scalar=fmod_scalar fmod_.Tensor=fmod_tensor_ "
                                       "fmod_.Scalar=fmod_scalar_ fmod.Tensor_out=fmod_out "
                                       "fmod.Scalar_out=fmod_scalar_out",
                                   .in = 2,
                                   .types = "fdli",
                                   .samples = {0.5, 4},
                                   .doc = "remainder with the sign of self"};
  template <class V> GEMS_FN V operator()(V x, V y) const { return gems::fmod(x, y); }
  template <class V>
  requires(!gems::is_same<V, int>) GEMS_FN bool rare(V x, V y) const { return gems::fmod_rare(x, y); }
  template <class V> GEMS_FN V slow(V x, V y) const { return gems::exact::fmod(x, y); }
  template <class V>
  requires gems::integer<V> GEMS_FN bool invalid(V, V y) const { return y == V(0); }
  static constexpr const char* error = "ZeroDivisionError";
};
