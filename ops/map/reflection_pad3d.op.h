#include "kernels/lang/lang.h"
struct reflection_pad3d {
  static constexpr gems::decl decl{.aten = "reflection_pad3d reflection_pad3d.out",
                                   .fam = gems::family::map,
                                   .types = "",
                                   .doc = "edges continued by reflection"};
};
