#include "kernels/lang/lang.h"
struct reflection_pad1d {
  static constexpr gems::decl decl{.aten = "reflection_pad1d reflection_pad1d.out",
                                   .fam = gems::family::map,
                                   .types = "",
                                   .doc = "edges continued by reflection"};
};
