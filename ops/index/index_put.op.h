#include "kernels/lang/lang.h"
struct index_put {
  static constexpr gems::decl decl{.aten = "_index_put_impl_=index_put_impl_ index_put_ index_put",
                                   .fam = gems::family::index,
                                   .in = 2,
                                   .types = "",
                                   .doc = "self[i, j, ...] = values, or += with accumulate"};
};
