#include "kernels/lang/lang.h"
struct replication_pad1d {
  static constexpr gems::decl decl{.aten = "replication_pad1d replication_pad1d.out",
                                   .fam = gems::family::map,
                                   .types = "",
                                   .doc = "edges continued by their last element"};
};
