#include "kernels/lang/lang.h"
struct index_fill {
  static constexpr gems::decl decl{.aten =
                                       "index_fill_.int_Scalar=index_fill_ index_fill_.int_Tensor=index_fill_ "
                                       "index_fill.int_Scalar=index_fill index_fill.int_Tensor=index_fill",
                                   .fam = gems::family::index,
                                   .in = 2,
                                   .types = "",
                                   .doc = "slices of self = a number"};
};
