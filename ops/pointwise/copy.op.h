#include "kernels/lang/lang.h"
// The identity behind copy_, _to_copy, clone, cat and the fills; the binding's own handlers call it.
struct copy {
  static constexpr gems::decl decl{.aten = "", .types = "fdlib", .doc = "identity with conversion"};
  template <class V> GEMS_FN V operator()(V x) const { return x; }
};
