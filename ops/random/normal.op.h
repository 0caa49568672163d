#include "kernels/lang/lang.h"
#include "kernels/lang/random.h"
struct normal {
  static constexpr gems::decl decl{.aten = "normal_ randn randn.generator=randn",
                                   .fam = gems::family::random,
                                   .in = 0,
                                   .par = 2,
                                   .types = "fd",
                                   .doc = "normal with mean and std"};
  static constexpr gems::draw draws = gems::draw::normal;
  template <class V> GEMS_FN V operator()(V z, V mean, V std, V) const { return z * std + mean; }
};
