#include "kernels/lang/lang.h"
#include "kernels/lang/random.h"
struct cauchy {
  static constexpr gems::decl decl{
      .aten = "cauchy_", .fam = gems::family::random, .in = 0, .par = 2, .types = "fd", .doc = "Cauchy with median and sigma"};
  static constexpr gems::draw draws = gems::draw::wide;
  template <class V> GEMS_FN V operator()(V u, V median, V sigma, V) const {
    constexpr V pi = V(3.14159265358979323846);
    if (GEMS_DEVICE && gems::is_same<V, float>) {  // the fast tangent overflows at the ends
      constexpr V least = V(1.1920928955078125e-7);
      u = gems::select(u > V(1) - least, V(1) - least, u);
      u = gems::select(u < least, least, u);
    }
    return median + sigma * gems::fast_tan(pi * (u - V(0.5)));
  }
};
