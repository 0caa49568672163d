#include <cstring>

#include "core/plan/iter.h"
#include "core/promote.h"

namespace gems {

namespace {

// The accumulation (= compute) type for an input that was already cast to `dtype`.
int accumulate_type(const gems_op_info* op, int dtype) {
  if (dtype == GEMS_F64) return std::strchr(op->types, 'd') ? int{GEMS_F64} : -1;
  if (dtype_is_float(dtype)) return std::strchr(op->types, 'f') ? int{GEMS_F32} : -1;
  if (dtype == GEMS_BOOL && std::strchr(op->types, 'b')) return GEMS_BOOL;
  return std::strchr(op->types, 'l') ? int{GEMS_I64} : -1;
}

}  // namespace

Plan plan_reduce(gems_call& call, const Reduction& r, int default_dtype, OutMeta* out) {
  const gems_tensor& in = call.t[call.nout];
  if (!dtype_is_served(in.dtype)) return unsupported_plan("dtype");
  if (in.ndim > kMaxRank) return unsupported_plan("rank");
  const rule ru = op_rule(call.op);
  int result = in.dtype;
  switch (ru) {
    case rule::sum: result = r.dtype >= 0 ? r.dtype : dtype_is_float(in.dtype) ? int{in.dtype} : int{GEMS_I64}; break;
    case rule::to_float: result = r.dtype >= 0 ? r.dtype : dtype_is_float(in.dtype) ? int{in.dtype} : default_dtype; break;
    case rule::boolean: result = in.dtype == GEMS_U8 ? int{GEMS_U8} : int{GEMS_BOOL}; break;  // torch.any of uint8 gives uint8
    case rule::index: result = GEMS_I64; break;
    case rule::same:  // mean(dtype=)
      if (r.dtype >= 0) result = r.dtype;
      break;
    case rule::first: break;
  }
  if (!dtype_is_served(result)) return unsupported_plan("dtype of the result");
  // sum(dtype=) accumulates in the requested type; boolean and index reductions look at the input's own values
  const int compute = accumulate_type(call.op, ru == rule::boolean || ru == rule::index ? int{in.dtype} : result);
  if (compute < 0) return unsupported_plan("compute type not declared");
  call.compute = static_cast<int8_t>(compute);
  OutMeta& o = out[0];
  o.ndim = 0;
  o.contiguous = true;
  o.dtype = result;
  for (int d = 0; d < in.ndim; d++) {
    const bool reduced = r.dims >> d & 1u;
    if (!reduced || r.keepdim) o.sizes[o.ndim++] = reduced ? 1 : in.sizes[d];
  }
  if (call.nout > 1) {
    out[1] = o;
    if (!call.op->slots) out[1].dtype = GEMS_I64;  // a value and its position; in passes: two of one kind
  }
  return Plan::ok;
}

Plan build_reduce(gems_call& call, const Reduction& r, bool keep_order) {
  const gems_tensor& in = call.t[call.nout];
  gems_iter& it = call.it;
  Space s;
  s.ndim = in.ndim;
  s.nops = call.nout + call.nin;
  for (int d = 0; d < in.ndim; d++) s.size[d] = in.sizes[d];
  for (int k = 0; k < call.nin; k++) broadcast_strides(call.t[call.nout + k], in.sizes, in.ndim, s.stride[call.nout + k]);
  for (int k = 0; k < call.nout; k++) {
    const gems_tensor& o = call.t[k];
    int at = 0;
    for (int d = 0; d < in.ndim; d++) {
      const bool reduced = r.dims >> d & 1u;
      s.stride[k][d] = reduced || (o.flags & GEMS_T_ABSENT) ? 0 : o.strides[at];
      if (!reduced || r.keepdim) at++;
    }
  }
  // kept dims ordered by the input's strides, then the reduced ones
  int perm[kMaxRank], kept[kMaxRank], red[kMaxRank], nk = 0, nr = 0;
  order_dims(s, call.nout, perm);
  for (int i = 0; i < s.ndim; i++) (r.dims >> perm[i] & 1u ? red[nr++] : kept[nk++]) = perm[i];
  if (keep_order) {  // row-major position in the reduced dims is the result: never permute them
    nr = 0;
    for (int d = s.ndim - 1; d >= 0; d--)
      if (r.dims >> d & 1u) red[nr++] = d;
  }
  it.numel = 1;
  for (int d = 0; d < s.ndim; d++) it.numel *= s.size[d];
  int n = nk ? collapse(s, kept, 0, nk, it, 0) : 0;
  if (n < 0) return unsupported_plan("more dimensions than kernels take");
  if (n == 1 && it.size[0] == 1) n = 0;  // everything is reduced
  const int before = n;
  if (nr) n = collapse(s, red, 0, nr, it, n);
  if (n < 0) return unsupported_plan("more dimensions than kernels take");
  if (n == before) {  // nothing is reduced (a 0-d tensor): one reduced dimension of size 1
    if (n + 1 > GEMS_MAX_DIMS) return unsupported_plan("more dimensions than kernels take");
    it.size[n] = 1;
    for (int k = 0; k < s.nops; k++) it.stride[k][n] = k < call.nout ? 0 : 1;
    n++;
  }
  it.ndim = n;
  it.nred = n - before;
  for (int k = 0; k < call.nout; k++)
    for (int d = before; d < n; d++) it.stride[k][d] = 0;
  it.contiguous = 0;
  return Plan::ok;
}

Plan build_row(gems_call& call, int dim, int ndims) {
  const gems_tensor& x = call.t[call.nout];
  gems_iter& it = call.it;
  if (x.ndim > kMaxRank) return unsupported_plan("rank");
  const int nops = call.nout + call.nin;
  const char* roles = call.op->roles;
  Space s;
  s.ndim = x.ndim;
  s.nops = nops;
  it.numel = 1;
  for (int d = 0; d < x.ndim; d++) {
    s.size[d] = x.sizes[d];
    it.numel *= x.sizes[d];
  }
  auto in_row = [&](int d) { return d >= dim && d < dim + ndims; };
  for (int k = 0; k < nops; k++) {
    while (*roles == ' ') roles++;
    const char role = *roles ? *roles++ : 'r';
    const gems_tensor& t = call.t[k];
    if (t.flags & (GEMS_T_ABSENT | GEMS_T_SCALAR)) {
      for (int d = 0; d < s.ndim; d++) s.stride[k][d] = 0;
    } else if (role == 'r') {
      broadcast_strides(t, x.sizes, x.ndim, s.stride[k]);
    } else if (role == 'v') {  // shape of the row dims
      for (int d = 0; d < s.ndim; d++) s.stride[k][d] = in_row(d) ? t.strides[d - dim + (t.ndim - ndims)] : 0;
    } else {  // s: shape of the kept dims, or all dims with size 1 in the row
      int at = 0;
      for (int d = 0; d < s.ndim; d++) {
        s.stride[k][d] = in_row(d) ? 0 : t.strides[at];
        if (!in_row(d) || t.ndim == x.ndim) at++;
      }
    }
  }
  int perm[kMaxRank], kept[kMaxRank], row[kMaxRank], nk = 0, nr = 0;
  for (int d = s.ndim - 1; d >= 0; d--) perm[s.ndim - 1 - d] = d;  // the caller's order: rows are independent
  order_dims(s, 0, perm);
  for (int i = 0; i < s.ndim; i++)
    if (!in_row(perm[i])) kept[nk++] = perm[i];
  for (int d = dim + ndims - 1; d >= dim; d--) row[nr++] = d;
  int n = nk ? collapse(s, kept, 0, nk, it, 0) : 0;
  if (n < 0) return unsupported_plan("more dimensions than kernels take");
  const int before = n;
  if (nr) {
    n = collapse(s, row, 0, nr, it, n);
    if (n < 0) return unsupported_plan("more dimensions than kernels take");
  } else {  // a 0-d tensor is one row of one element
    it.size[n] = 1;
    for (int k = 0; k < nops; k++) it.stride[k][n] = 1;
    n++;
  }
  if (n - before != 1) return unsupported_plan("normalised dimensions that are not dense");
  it.ndim = n;
  it.nred = 1;
  it.contiguous = 0;
  return Plan::ok;
}

Plan build_index(gems_call& call, int rank, const int64_t* sizes, const int64_t* const* strides) {
  gems_iter& it = call.it;
  Space s;
  s.ndim = rank;
  s.nops = call.nout + call.nin;
  it.numel = 1;
  for (int d = 0; d < rank; d++) {
    s.size[d] = sizes[d];
    it.numel *= sizes[d];
    for (int k = 0; k < s.nops; k++) s.stride[k][d] = strides[k][d];
  }
  if (rank == 0) {
    s.ndim = 1;
    s.size[0] = 1;
    for (int k = 0; k < s.nops; k++) s.stride[k][0] = 0;
  }
  int perm[kMaxRank];
  order_dims(s, 0, perm);
  it.ndim = collapse(s, perm, 0, s.ndim, it, 0);
  if (it.ndim < 0) return unsupported_plan("more dimensions than kernels take");
  it.nred = 0;
  it.contiguous = 0;
  return Plan::ok;
}

}  // namespace gems
