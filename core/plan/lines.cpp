#include "core/plan/iter.h"

namespace gems {

Plan build_lines(gems_call& call, int dim) {
  const gems_tensor& x = call.t[call.nout];
  gems_iter& it = call.it;
  Space s;
  s.ndim = x.ndim;
  s.nops = call.nout + call.nin;
  it.numel = 1;
  for (int d = 0; d < x.ndim; d++) {
    s.size[d] = x.sizes[d];
    it.numel *= x.sizes[d];
    for (int k = 0; k < s.nops; k++) s.stride[k][d] = call.t[k].flags & GEMS_T_ABSENT ? 0 : call.t[k].strides[d];
  }
  int perm[kMaxRank], kept[kMaxRank], nk = 0;
  order_dims(s, call.nout, perm);
  for (int i = 0; i < s.ndim; i++)
    if (perm[i] != dim) kept[nk++] = perm[i];
  const int n = nk ? collapse(s, kept, 0, nk, it, 0) : 0;
  if (n < 0 || n + 1 > GEMS_MAX_DIMS) return unsupported_plan("more dimensions than kernels take");
  it.size[n] = s.ndim ? s.size[dim] : 1;
  for (int k = 0; k < s.nops; k++) it.stride[k][n] = s.ndim ? s.stride[k][dim] : 1;
  it.ndim = n + 1;
  it.nred = 1;
  it.contiguous = 0;
  return Plan::ok;
}

}  // namespace gems
