#include "kernels/lang/lang.h"
struct embedding_dense_backward {
  static constexpr gems::decl decl{.aten = "embedding_dense_backward",
                                   .fam = gems::family::index,
                                   .in = 2,
                                   .par = 1,
                                   .types = "fd",
                                   .doc = "gradient of embedding's weight; sums in the order of the indices (deterministic)"};
};
