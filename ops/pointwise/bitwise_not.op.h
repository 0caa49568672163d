#include "kernels/lang/lang.h"
struct bitwise_not {
  static constexpr gems::decl decl{
      .aten = "bitwise_not bitwise_not_ bitwise_not.out", .types = "lib", .doc = "~self; for bool !self"};
  template <class V> GEMS_FN V operator()(V x) const {
    if constexpr (gems::is_same<V, bool>) return !x;
    else return ~x;
  }
};
