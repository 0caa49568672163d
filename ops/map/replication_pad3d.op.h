#include "kernels/lang/lang.h"
struct replication_pad3d {
  static constexpr gems::decl decl{.aten = "replication_pad3d replication_pad3d.out",
                                   .fam = gems::family::map,
                                   .types = "",
                                   .doc = "edges continued by their last element"};
};
