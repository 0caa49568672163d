#include "kernels/lang/lang.h"
struct index {
  static constexpr gems::decl decl{.aten = "index.Tensor index.Tensor_out=index_out",
                                   .fam = gems::family::index,
                                   .in = 2,
                                   .types = "",
                                   .doc = "self[i, j, ...] for one to three index tensors that broadcast, or masks"};
};
