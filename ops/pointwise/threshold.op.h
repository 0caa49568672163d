#include "kernels/lang/lang.h"
struct threshold {
  static constexpr gems::decl decl{
      .aten = "threshold threshold_ threshold.out", .par = 2, .types = "fdl", .doc = "value where self <= limit, else self"};
  template <class V> GEMS_FN V operator()(V x, V limit, V value) const { return x <= limit ? value : x; }
};
