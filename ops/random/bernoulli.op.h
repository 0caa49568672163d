#include "kernels/lang/lang.h"
#include "kernels/lang/random.h"
struct bernoulli {
  static constexpr gems::decl decl{.aten = "bernoulli_.float=bernoulli_ bernoulli bernoulli_.Tensor=bernoulli_",
                                   .fam = gems::family::random,
                                   .in = 0,
                                   .par = 1,
                                   .types = "fd",
                                   .doc = "1 with probability p, else 0"};
  static constexpr gems::draw draws = gems::draw::wide;
  template <class V> GEMS_FN V operator()(V u, V p, V, V) const { return u < p ? V(1) : V(0); }
};
