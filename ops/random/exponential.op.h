#include "kernels/lang/lang.h"
#include "kernels/lang/random.h"
struct exponential {
  static constexpr gems::decl decl{.aten = "exponential_",
                                   .fam = gems::family::random,
                                   .in = 0,
                                   .par = 1,
                                   .types = "fd",
                                   .doc = "exponential with rate lambd"};
  static constexpr gems::draw draws = gems::draw::wide;
  template <class V> GEMS_FN V operator()(V u, V rate, V, V) const {
    if (!GEMS_DEVICE) return V(-1) / rate * gems::log1p(-u);
    // u = 1 is possible there and 0 is not a value of the distribution
    constexpr V least = gems::is_same<V, float> ? V(5.9604644775390625e-8) : V(1.1102230246251565e-16);  // epsilon / 2
    return V(-1) / rate * (u >= V(1) - least ? -least : gems::fast_log(u));
  }
};
