#include "kernels/lang/moments.h"
struct std_mean : gems::moments {
  static constexpr gems::decl decl{
      .aten =
          "std.correction=std std.correction_out=std_out std_mean.correction=std_mean "
          "std_mean.correction_out=std_mean_out",
      .fam = gems::family::reduce,
      .par = 1,
      .out = 2,
      .types = "fd",
      .slots = 3,
      .doc = "standard deviation over dimensions (correction: degrees of freedom lost), and the mean"};
  template <int O, class W> static GEMS_FN W finish(const W (&s)[3], W count, W correction) {
    if constexpr (O == 0) return gems::sqrt(variance(s, count, correction));
    else return s[0];
  }
};
