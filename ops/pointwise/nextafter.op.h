#include "kernels/lang/lang.h"
struct nextafter {
  static constexpr gems::decl decl{
      .aten = "nextafter nextafter_ nextafter.out", .in = 2, .types = "fd-", .doc = "the next number from self towards other"};
  template <class V> GEMS_FN V operator()(V x, V y) const { return gems::nextafter(x, y); }
};
