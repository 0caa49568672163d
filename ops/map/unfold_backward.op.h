#include "kernels/lang/lang.h"
struct unfold_backward {
  static constexpr gems::decl decl{.aten = "unfold_backward",
                                   .fam = gems::family::map,
                                   .par = 1,
                                   .types = "",
                                   .doc = "gradient of unfold: each element's sum over the windows that hold it"};
};
