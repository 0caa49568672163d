#include "kernels/lang/lang.h"
struct reflection_pad2d {
  static constexpr gems::decl decl{.aten = "reflection_pad2d reflection_pad2d.out",
                                   .fam = gems::family::map,
                                   .types = "",
                                   .doc = "edges continued by reflection"};
};
