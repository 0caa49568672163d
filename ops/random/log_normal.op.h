#include "kernels/lang/lang.h"
#include "kernels/lang/random.h"
struct log_normal {
  static constexpr gems::decl decl{
      .aten = "log_normal_", .fam = gems::family::random, .in = 0, .par = 2, .types = "fd", .doc = "exp of a normal"};
  static constexpr gems::draw draws = gems::draw::pairs;
  template <class V> GEMS_FN V operator()(V z, V mean, V std, V) const { return gems::fast_exp(z * std + mean); }
};
