#include "kernels/lang/lang.h"
struct sinc {
  static constexpr gems::decl decl{
      .aten = "sinc sinc_ sinc.out", .dtype = gems::rule::to_float, .samples = {-6, 6}, .doc = "sin(pi x) / (pi x), 1 at 0"};
  template <class V> GEMS_FN V operator()(V x) const { return of(x, gems::sin(x * V(3.14159265358979323846))); }
  template <class V> GEMS_FN bool rare(V x) const { return gems::trig_rare(x * V(3.14159265358979323846)); }
  template <class V> GEMS_FN V slow(V x) const { return of(x, gems::exact::sin(x * V(3.14159265358979323846))); }
  template <class V> static GEMS_FN V of(V x, V s) { return gems::select(x == V(0), V(1), s / (x * V(3.14159265358979323846))); }
};
