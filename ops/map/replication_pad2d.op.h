#include "kernels/lang/lang.h"
struct replication_pad2d {
  static constexpr gems::decl decl{.aten = "replication_pad2d replication_pad2d.out",
                                   .fam = gems::family::map,
                                   .types = "",
                                   .doc = "edges continued by their last element"};
};
