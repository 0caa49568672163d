#include "kernels/lang/lang.h"
struct arange {
  static constexpr gems::decl decl{
      .aten = "arange arange.start=arange_start arange.start_step=arange_start arange.out arange.start_out=arange_start_out",
      .fam = gems::family::create,
      .in = 0,
      .par = 2,
      .types = "",
      .doc = "start, start + step, ..."};
};
