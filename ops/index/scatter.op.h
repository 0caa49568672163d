#include "kernels/lang/lang.h"
struct scatter {
  static constexpr gems::decl decl{
      .aten =
          "scatter.src scatter.value scatter.reduce scatter.value_reduce scatter_.src scatter_.value scatter_.reduce "
          "scatter_.value_reduce scatter.src_out scatter.value_out scatter.reduce_out scatter.value_reduce_out",
      .fam = gems::family::index,
      .in = 2,
      .types = "",
      .doc = "self[index[i][j]][j] = src[i][j] (dim = 0)"};
};
