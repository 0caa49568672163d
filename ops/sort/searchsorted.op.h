#include "kernels/lang/lang.h"
struct searchsorted {
  static constexpr gems::decl decl{.aten =
                                       "searchsorted.Tensor searchsorted.Scalar=searchsorted_scalar searchsorted.Tensor_out "
                                       "searchsorted.Scalar_out=searchsorted_scalar_out bucketize.Tensor "
                                       "bucketize.Scalar=bucketize_scalar bucketize.Tensor_out",
                                   .fam = gems::family::sort,
                                   .in = 2,
                                   .out = 1,
                                   .types = "",
                                   .roles = "f",
                                   .doc = "where values belong in sorted bounds"};
};
