#include "kernels/lang/lang.h"
struct kthvalue {
  static constexpr gems::decl decl{.aten = "kthvalue kthvalue.values=kthvalue_out",
                                   .fam = gems::family::sort,
                                   .in = 1,
                                   .out = 2,
                                   .types = "",
                                   .roles = "n",
                                   .doc = "the k-th least value along a dimension"};
};
