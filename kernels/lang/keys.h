// Unsigned keys in torch's order of the values: NaN greatest and equal to each other, -0.0 equal to 0.0.
#pragma once
#include "kernels/lang/base.h"

namespace gems {

// ---- keys of a storage type (R: its bits): key(), value() back, and which keys stand for several bit patterns ----
template <class R, class KEY, bool SIGNED> struct IntKey {
  typedef R raw;
  typedef KEY K;
  static constexpr R sign = SIGNED ? (R)((R)1 << (8 * sizeof(R) - 1)) : (R)0;
  static constexpr bool has_nan = false;
  static GEMS_FN R key(R u) { return (R)(u ^ sign); }
  static GEMS_FN R value(R k) { return (R)(k ^ sign); }
  static GEMS_FN bool lossy(R) { return false; }
};
struct BoolKey : IntKey<unsigned char, u32, false> {
  static GEMS_FN unsigned char key(unsigned char u) { return u != 0; }
};
template <class R, class KEY, R INF> struct FloatKey {
  typedef R raw;
  typedef KEY K;
  static constexpr R sign = (R)((R)1 << (8 * sizeof(R) - 1)), nan = (R) ~(R)0;
  static constexpr bool has_nan = true;
  static GEMS_FN R key(R u) {
    const R magnitude = u & (R)~sign;
    R k = u & sign ? (R)~u : (R)(u | sign);
    k = magnitude == 0 ? sign : k;
    return magnitude > INF ? nan : k;
  }
  static GEMS_FN R value(R k) { return k & sign ? (R)(k ^ sign) : (R)~k; }
  static GEMS_FN bool lossy(R k) { return (k == sign) | (k == nan); }
};

}  // namespace gems
