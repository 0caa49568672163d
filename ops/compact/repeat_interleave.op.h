#include "kernels/lang/lang.h"
struct repeat_interleave {
  static constexpr gems::decl decl{.aten = "repeat_interleave.Tensor=repeat_interleave_tensor",
                                   .fam = gems::family::compact,
                                   .in = 1,
                                   .types = "",
                                   .doc = "i, repeats[i] times, for each i (the index of the forms with a tensor)"};
};
