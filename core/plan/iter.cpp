#include "core/plan/iter.h"

#include <algorithm>
#include <numeric>

namespace gems {

namespace {
thread_local const char* t_reason = "";
}
const char* plan_reason() { return t_reason; }
Plan unsupported_plan(const char* reason) {
  t_reason = reason;
  return Plan::unsupported;
}

void broadcast_strides(const gems_tensor& t, const int64_t* sizes, int ndim, int64_t* out) {
  const int off = ndim - t.ndim;
  for (int d = 0; d < ndim; d++) {
    const int k = d - off;
    out[d] = (t.flags & (GEMS_T_SCALAR | GEMS_T_ABSENT)) || k < 0 || (t.sizes[k] == 1 && sizes[d] != 1) ? 0 : t.strides[k];
  }
}

void order_dims(const Space& s, int first, int* perm) {
  for (int i = 0; i < s.ndim; i++) perm[i] = s.ndim - 1 - i;
  auto should_swap = [&](int d0, int d1) {
    for (int k = first; k < s.nops; k++) {
      const int64_t s0 = s.stride[k][d0], s1 = s.stride[k][d1];
      if (s0 == 0 || s1 == 0) continue;
      if (s0 != s1) return s0 < s1 ? -1 : 1;
      if (s.size[d0] > s.size[d1]) return 1;
    }
    return 0;
  };
  for (int i = 1; i < s.ndim; i++) {
    int d1 = i;
    for (int d0 = i - 1; d0 >= 0; d0--) {
      const int c = should_swap(perm[d0], perm[d1]);
      if (c > 0) {
        std::swap(perm[d0], perm[d1]);
        d1 = d0;
      } else if (c < 0) {
        break;
      }
    }
  }
}

int collapse(const Space& s, const int* perm, int from, int to, gems_iter& it, int at) {
  // Collect fastest first, then write in reverse, because gems_iter holds the innermost dimension last.
  int64_t size[kMaxRank], stride[GEMS_MAX_OPERANDS][kMaxRank];
  int n = 0;
  for (int i = from; i < to; i++) {
    const int d = perm[i];
    if (s.size[d] == 1) continue;
    bool merge = n > 0;
    for (int k = 0; merge && k < s.nops; k++) merge = s.stride[k][d] == stride[k][n - 1] * size[n - 1];
    if (merge) {
      size[n - 1] *= s.size[d];
      continue;
    }
    size[n] = s.size[d];
    for (int k = 0; k < s.nops; k++) stride[k][n] = s.stride[k][d];
    n++;
  }
  if (n == 0 && to > from) {  // all sizes are 1: keep one dimension so that kernels have something to walk
    size[0] = 1;
    for (int k = 0; k < s.nops; k++) stride[k][0] = 1;
    n = 1;
  }
  if (at + n > GEMS_MAX_DIMS) return -1;
  for (int i = 0; i < n; i++) {
    it.size[at + i] = size[n - 1 - i];
    for (int k = 0; k < s.nops; k++) it.stride[k][at + i] = stride[k][n - 1 - i];
  }
  return at + n;
}

bool overlaps_itself(const gems_tensor& t) {
  if (t.flags & GEMS_T_CONTIGUOUS || t.numel <= 1) return false;
  int order[kMaxRank];
  int n = 0;
  for (int d = 0; d < t.ndim; d++)
    if (t.sizes[d] != 1) order[n++] = d;
  std::sort(order, order + n, [&](int a, int b) { return t.strides[a] < t.strides[b]; });
  int64_t reach = 0;  // largest offset of the faster dimensions
  for (int i = 0; i < n; i++) {
    const int d = order[i];
    if (t.strides[d] <= reach) return true;
    reach += t.strides[d] * (t.sizes[d] - 1);
  }
  return false;
}

bool overlaps_partly(const gems_tensor& a, const gems_tensor& b) {
  if ((b.flags & (GEMS_T_SCALAR | GEMS_T_ABSENT)) || a.numel == 0 || b.numel == 0) return false;
  auto end = [](const gems_tensor& t) {
    int64_t last = 0;
    for (int d = 0; d < t.ndim; d++) last += (t.sizes[d] - 1) * t.strides[d];
    return (last + 1) * dtype_size(t.dtype);
  };
  const char *a0 = static_cast<const char*>(a.data), *b0 = static_cast<const char*>(b.data);
  if (a0 + end(a) <= b0 || b0 + end(b) <= a0) return false;
  if (a0 != b0 && dtype_size(a.dtype) == dtype_size(b.dtype)) {
    // Interleaved views (x[..., 0] and x[..., 1]): all steps are multiples of g, so elements meet only if the distance is one too.
    int64_t g = 0;
    for (const gems_tensor* t : {&a, &b})
      for (int d = 0; d < t->ndim; d++)
        if (t->sizes[d] > 1) g = std::gcd(g, t->strides[d]);
    const int64_t size = dtype_size(a.dtype), distance = b0 > a0 ? b0 - a0 : a0 - b0;
    if (g > 1 && distance % size == 0 && distance / size % g != 0) return false;
  }
  if (a0 != b0 || a.ndim != b.ndim || dtype_size(a.dtype) != dtype_size(b.dtype)) return true;
  for (int d = 0; d < a.ndim; d++)
    if (a.sizes[d] != b.sizes[d] || (a.sizes[d] != 1 && a.strides[d] != b.strides[d])) return true;
  return false;
}

}  // namespace gems
