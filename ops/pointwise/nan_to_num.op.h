#include "kernels/lang/lang.h"
struct nan_to_num {
  static constexpr gems::decl decl{.aten = "nan_to_num nan_to_num_ nan_to_num.out",
                                   .par = 3,
                                   .missing = "- 0 most least",
                                   .doc = "NaN and infinities replaced"};
  template <class V> GEMS_FN V operator()(V x, V nan, V most, V least) const {
    V y = gems::select(x == gems::infinity<V>(), most, gems::select(x == -gems::infinity<V>(), least, x));
    return gems::select(x != x, nan, y);
  }
};
