#include "kernels/lang/moments.h"
struct var_mean : gems::moments {
  static constexpr gems::decl decl{.aten =
                                       "var.correction=var var.correction_out=var_out var_mean.correction=var_mean "
                                       "var_mean.correction_out=var_mean_out",
                                   .fam = gems::family::reduce,
                                   .par = 1,
                                   .out = 2,
                                   .types = "fd",
                                   .slots = 3,
                                   .doc = "variance over dimensions (correction: its degrees of freedom lost), and the mean"};
  template <int O, class W> static GEMS_FN W finish(const W (&s)[3], W count, W correction) {
    if constexpr (O == 0) return variance(s, count, correction);
    else return s[0];
  }
};
