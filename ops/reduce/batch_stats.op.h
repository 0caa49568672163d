#include "kernels/lang/moments.h"
struct batch_stats : gems::moments {
  static constexpr gems::decl decl{
      .aten =
          "native_batch_norm=batch_norm native_batch_norm.out=batch_norm_out _native_batch_norm_legit "
          "_native_batch_norm_legit.no_stats=_native_batch_norm_legit_no_stats "
          "_native_batch_norm_legit.out=_native_batch_norm_legit_out "
          "_native_batch_norm_legit.no_stats_out=_native_batch_norm_legit_no_stats_out "
          "_batch_norm_with_update native_group_norm=group_norm "
          "native_batch_norm_backward=batch_norm_backward batch_norm_backward=batch_norm_backward_reserve "
          "native_group_norm_backward=group_norm_backward",
      .fam = gems::family::reduce,
      .out = 2,
      .types = "fd",
      .slots = 3,
      .doc = "batch and group norm, whose statistics these are: mean and variance of a channel or group"};
  template <int O, class W> static GEMS_FN W finish(const W (&s)[3], W count, W) {
    if constexpr (O == 0) return s[0];
    else return s[2] / count;
  }
};
