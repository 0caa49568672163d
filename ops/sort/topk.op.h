#include "kernels/lang/lang.h"
struct topk {
  static constexpr gems::decl decl{.aten = "topk topk.values=topk_out",
                                   .fam = gems::family::sort,
                                   .in = 1,
                                   .out = 2,
                                   .types = "",
                                   .roles = "t",
                                   .doc = "the k greatest or least values along a dimension, in order"};
};
