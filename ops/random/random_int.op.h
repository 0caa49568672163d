#include "kernels/lang/lang.h"
#include "kernels/lang/random.h"
struct random_int {
  static constexpr gems::decl decl{
      .aten =
          "random_ random_.from=random_from_ random_.to=random_to_ "
          "randint randint.generator=randint randint.low=randint_low randint.low_generator=randint_low "
          "randint_like randint_like.generator=randint_like randint_like.low_dtype=randint_like_low "
          "randint_like.low_generator_dtype=randint_like_low",
      .fam = gems::family::random,
      .in = 0,
      .par = 2,
      .types = "l",
      .doc = "integers of [from, to)"};
  static constexpr gems::draw draws = gems::draw::bits;
};
