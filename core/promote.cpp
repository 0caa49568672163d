#include "core/promote.h"

#include <algorithm>

namespace gems {
namespace {

int category(int d) { return d == GEMS_BOOL ? 0 : dtype_is_int(d) ? 1 : dtype_is_float(d) ? 2 : 3; }

}  // namespace

int promote_types(int a, int b) {
  if (!dtype_is_served(a) || !dtype_is_served(b)) return -1;
  if (a == b) return a;
  const int ca = category(a), cb = category(b);
  if (ca != cb) return ca > cb ? a : b;
  if (ca == 1) {  // integers: the wider; uint8 with a signed type of its size: int16
    if (a == GEMS_U8 || b == GEMS_U8) {
      const int other = a == GEMS_U8 ? b : a;
      return other == GEMS_I8 ? GEMS_I16 : other;
    }
    return std::max(a, b);  // I8 < I16 < I32 < I64
  }
  if ((a == GEMS_F16 && b == GEMS_BF16) || (a == GEMS_BF16 && b == GEMS_F16)) return GEMS_F32;
  if (a == GEMS_BF16) return b;  // F32 or F64
  if (b == GEMS_BF16) return a;
  return std::max(a, b);  // F16 < F32 < F64
}

int result_type(const gems_tensor* operands, int n, unsigned skip, int default_dtype) {
  int dim = -2, zero = -2, wrapped = -2;  // -2: none of this kind
  auto join = [](int& into, int d) { into = into == -2 ? d : into < 0 ? into : promote_types(into, d); };
  for (int k = 0; k < n; k++) {
    const gems_tensor& t = operands[k];
    if ((skip >> k & 1u) || (t.flags & GEMS_T_ABSENT)) continue;
    int d = t.dtype;
    if (!dtype_is_served(d)) return -1;
    if (t.flags & GEMS_T_WRAPPED) join(wrapped, dtype_is_float(d) ? default_dtype : d);
    else if (t.ndim == 0) join(zero, d);
    else join(dim, d);
  }
  auto combine = [](int higher, int lower) {
    if (higher == -2) return lower;
    if (lower == -2 || category(lower) <= category(higher)) return higher;
    return promote_types(higher, lower);
  };
  return combine(dim, combine(zero, wrapped));
}

bool embeds(int from, int to) {
  if (from == to || from == GEMS_BOOL) return true;
  if (dtype_is_int(from)) {
    if (to == GEMS_BOOL) return false;
    if (dtype_is_int(to)) return dtype_size(from) < dtype_size(to);   // also uint8, in any wider integer
    const int bits = from == GEMS_U8 ? 8 : 8 * dtype_size(from) - 1;  // a power of two fits whatever its sign
    return bits <= (to == GEMS_BF16 ? 8 : to == GEMS_F16 ? 11 : to == GEMS_F32 ? 24 : 53);
  }
  return (to == GEMS_F32 && from != GEMS_F64) || to == GEMS_F64;
}

}  // namespace gems
