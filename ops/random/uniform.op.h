#include "kernels/lang/lang.h"
#include "kernels/lang/random.h"
struct uniform {
  static constexpr gems::decl decl{.aten = "uniform_ rand rand.generator=rand rand_like rand_like.generator=rand_like",
                                   .fam = gems::family::random,
                                   .in = 0,
                                   .par = 2,
                                   .types = "fd",
                                   .doc = "uniform in [from, to)"};
  static constexpr gems::draw draws = gems::draw::uniform;
  static constexpr bool half_open = true;  // what rounds to `to` becomes `from`
  template <class V> GEMS_FN V operator()(V u, V from, V, V range) const { return u * range + from; }
};
