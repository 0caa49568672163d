#include "kernels/lang/lang.h"
struct masked_fill {
  static constexpr gems::decl decl{.aten =
                                       "masked_fill.Scalar masked_fill.Tensor masked_fill_.Scalar masked_fill_.Tensor "
                                       "masked_fill.Scalar_out=masked_fill_out masked_fill.Tensor_out=masked_fill_out",
                                   .dtype = gems::rule::first,
                                   .in = 3,
                                   .nopromote = 2,
                                   .types = "fdlib",
                                   .doc = "value where mask holds, else self"};
  template <class V> GEMS_FN V operator()(V x, V mask, V value) const { return gems::select(mask != V(0), value, x); }
};
