#include "kernels/lang/lang.h"
struct where {
  static constexpr gems::decl decl{.aten = "where.self=where_self where.self_out=where_self_out",
                                   .in = 3,
                                   .nopromote = 1,
                                   .types = "fdlib",
                                   .doc = "self where condition holds, else other"};
  template <class V> GEMS_FN V operator()(V condition, V x, V y) const { return gems::select(condition != V(0), x, y); }
};
