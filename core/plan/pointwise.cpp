#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/plan/iter.h"
#include "core/promote.h"

namespace gems {

namespace {

bool declares(const char* types, char c) { return std::strchr(types, c) != nullptr; }

bool same_shape(const gems_tensor& a, const gems_tensor& b) {
  if (a.ndim != b.ndim) return false;
  for (int d = 0; d < a.ndim; d++)
    if (a.sizes[d] != b.sizes[d]) return false;
  return true;
}

bool same_strides(const gems_tensor& a, const gems_tensor& b) {
  for (int d = 0; d < a.ndim; d++)
    if (a.strides[d] != b.strides[d] && a.sizes[d] != 1) return false;
  return true;
}

}  // namespace

int compute_type(const gems_op_info* op, int common) {
  const char* types = op->types;
  if (common == GEMS_F64) return declares(types, 'd') ? GEMS_F64 : -1;
  if (dtype_size(common) == 2 && dtype_is_float(common) && declares(types, '-')) return -1;
  if (dtype_is_float(common)) return declares(types, 'f') ? GEMS_F32 : -1;
  if (common == GEMS_BOOL && declares(types, '!')) return -1;
  if (common == GEMS_BOOL && declares(types, 'b')) return GEMS_BOOL;
  if (common == GEMS_BOOL && op_family(op) == family::pointwise) return -1;  // torch refuses neg, sub, abs ... of bools
  if (dtype_size(common) <= 4 && common != GEMS_BOOL && declares(types, 'i')) return GEMS_I32;
  return declares(types, 'l') ? GEMS_I64 : -1;
}

bool holds(gems_scalar v, int from, int dtype) {
  const double d = dtype_is_float(from) ? v.d : static_cast<double>(v.i);
  if (dtype_is_float(dtype)) {
    const double most = dtype == GEMS_F16    ? 65504.
                        : dtype == GEMS_BF16 ? 0x1.fep127
                        : dtype == GEMS_F32  ? 0x1.fffffep127
                                             : HUGE_VAL;
    return !(std::abs(d) > most) || std::abs(d) == HUGE_VAL;  // NaN and infinities fit
  }
  if (dtype == GEMS_BOOL || (dtype == GEMS_I64 && !dtype_is_float(from))) return true;
  const double half = static_cast<double>(uint64_t{1} << (8 * dtype_size(dtype) - 1));
  return dtype == GEMS_U8 ? d >= -255 && d <= 255 : d >= -half && d < half;  // of uint8 negative numbers wrap
}

gems_scalar convert_scalar(gems_scalar v, int from, int compute, int via) {
  if (via >= 0 && via != from) {  // round to what memory of that dtype would hold
    double d = dtype_is_float(from) ? v.d : static_cast<double>(v.i);
    int64_t i = dtype_is_float(from) ? static_cast<int64_t>(v.d) : v.i;
    switch (via) {
      case GEMS_U8: v.i = static_cast<uint8_t>(i); break;
      case GEMS_I8: v.i = static_cast<int8_t>(i); break;
      case GEMS_I16: v.i = static_cast<int16_t>(i); break;
      case GEMS_I32: v.i = static_cast<int32_t>(i); break;
      case GEMS_I64: v.i = i; break;
      case GEMS_BOOL: v.i = dtype_is_float(from) ? d != 0 : i != 0; break;
      case GEMS_F32: v.d = static_cast<float>(d); break;
      case GEMS_F64: v.d = d; break;
      case GEMS_BF16:
      case GEMS_F16: {
        float f = static_cast<float>(d);
        const int drop = via == GEMS_BF16 ? 16 : 13;
        uint32_t u;
        std::memcpy(&u, &f, 4);
        if (via == GEMS_BF16 || (f == f && std::abs(f) >= 6.103515625e-05f && std::abs(f) < 65520.f)) {
          if (f == f) u = (u + (1u << (drop - 1)) - 1 + (u >> drop & 1u)) >> drop << drop;
          std::memcpy(&f, &u, 4);
        } else if (via == GEMS_F16 && f == f) {
          f = std::abs(f) >= 65520.f ? (f > 0 ? 1.f : -1.f) * static_cast<float>(1e39)
                                     : (f + (f < 0 ? -0.5f : 0.5f)) - (f < 0 ? -0.5f : 0.5f);
        }
        v.d = f;
        break;
      }
    }
    from = via;
  }
  gems_scalar r;
  if (dtype_is_float(compute)) r.d = dtype_is_float(from) ? v.d : static_cast<double>(v.i);
  else if (compute == GEMS_BOOL) r.i = dtype_is_float(from) ? v.d != 0 : v.i != 0;
  else if (!dtype_is_float(from)) r.i = v.i;
  else if (v.d >= 9.2233720368547758e18)
    r.i = compute == GEMS_I32 ? INT32_MAX : INT64_MAX;  // infinities: bounds that weren't given
  else if (v.d <= -9.2233720368547758e18) r.i = compute == GEMS_I32 ? INT32_MIN : INT64_MIN;
  else r.i = static_cast<int64_t>(v.d);
  return r;
}

Plan plan_pointwise(gems_call& call, const PointwiseOptions& opt, OutMeta& out) {
  const gems_op_info* op = call.op;
  const int nin = call.nin;
  gems_tensor* in = call.t + call.nout;
  const rule ru = op_rule(op);

  // 1. dtypes. Warm case first: all tensors of one type.
  int common;
  const bool alike = declares(op->types, '=');
  if (ru == rule::first || alike) {
    common = in[0].dtype;
    if (!dtype_is_served(common)) return unsupported_plan("dtype");
    for (int k = 1; k < nin; k++) {
      if (!dtype_is_served(in[k].dtype)) return unsupported_plan("dtype");
      const bool free = in[k].flags & (GEMS_T_WRAPPED | GEMS_T_ABSENT) || op->nopromote >> k & 1u;
      if (alike && !free && in[k].dtype != common) return unsupported_plan("operands of several dtypes");
    }
  } else {
    common = in[0].dtype;
    bool one = !(in[0].flags & (GEMS_T_WRAPPED | GEMS_T_ABSENT)) && !(op->nopromote & 1u) && dtype_is_served(common);
    for (int k = 1; one && k < nin; k++) one = in[k].dtype == common && !(in[k].flags & GEMS_T_ABSENT);
    if (op->promote && opt.pars) {
      gems_tensor all[GEMS_MAX_OPERANDS];
      int n = 0;
      for (int k = 0; k < nin; k++) all[n++] = in[k];
      for (int i = 0; i < op->par; i++)
        if (op->promote >> i & 1) all[n++] = opt.pars[i];
      common = result_type(all, n, op->nopromote, opt.default_dtype);
      if (common < 0) return unsupported_plan("dtype");
    } else if (!one) {
      common = result_type(in, nin, op->nopromote, opt.default_dtype);
      if (common < 0) return unsupported_plan("dtype");
      for (int k = 0; k < nin; k++)
        if ((op->nopromote >> k & 1u) && !dtype_is_served(in[k].dtype)) return unsupported_plan("dtype");
    }
  }
  if (ru == rule::to_float && !dtype_is_float(common)) common = opt.default_dtype;
  const int compute = compute_type(op, common);
  if (compute < 0) return unsupported_plan("compute type not declared");
  call.compute = static_cast<int8_t>(compute);
  call.common = static_cast<int8_t>(common);
  out.dtype = ru == rule::boolean ? int{GEMS_BOOL} : common;
  if (opt.out_dtype >= 0) {
    // torch.can_cast(result, out): never to a lower category
    auto cat = [](int d) { return d == GEMS_BOOL ? 0 : dtype_is_int(d) ? 1 : dtype_is_float(d) ? 2 : 3; };
    if (!dtype_is_served(opt.out_dtype)) return unsupported_plan("dtype of out");
    if (cat(out.dtype) > cat(opt.out_dtype) || (opt.same_dtype && out.dtype != opt.out_dtype)) return Plan::shape_mismatch;
    out.dtype = opt.out_dtype;
  }

  if (declares(op->types, '!'))  // torch refuses bool tensors and bool numbers here
    for (int k = 0; k < nin; k++)
      if (in[k].dtype == GEMS_BOOL) return Plan::shape_mismatch;

  // 2. numbers: as memory of the common dtype would hold them (256 == uint8 0 in torch), but see decl::wide. One that doesn't fit
  // is wrapped by some operators and refused by others.
  const int wide = dtype_is_float(common) ? (call.t[0].device_type == GEMS_CPU ? op->wide : op->wide >> 4) : 0;
  const gems_tensor* lead = nullptr;  // the first operand with memory: shape and layout of the simple cases
  bool simple = true;
  for (int k = 0; k < nin; k++) {
    gems_tensor& t = in[k];
    if (t.flags & GEMS_T_SCALAR) {
      const bool free = t.flags & GEMS_T_ABSENT || op->nopromote >> k & 1u;
      const bool strict = ru == rule::first || (ru != rule::boolean && t.flags & GEMS_T_WRAPPED);
      if (!free && strict && !holds(t.imm, t.dtype, common)) return unsupported_plan("a number that the common dtype can't hold");
      t.imm = convert_scalar(t.imm, t.dtype, compute, free || wide >> k & 1 ? -1 : common);
    } else if (!(t.flags & GEMS_T_ABSENT)) {
      if (!lead) lead = &t;
      else if (simple) simple = same_shape(*lead, t);
      if (t.ndim > kMaxRank) return unsupported_plan("rank");
      // int8 computes in int32, but 300 of a 0-d int64 is 44 for torch; 257 of an int32 beside a bfloat16 is 256
      if (t.dtype != common && common != compute && !(op->nopromote >> k & 1u) && !embeds(t.dtype, common)) t.flags |= GEMS_T_VIA;
    }
  }
  if (!lead) return unsupported_plan("no tensor operand");

  // 3. shape and layout
  if (ru == rule::first && opt.out_dtype < 0) {  // torch clones operand 0 densely and writes into the clone
    if (lead != &in[0]) return unsupported_plan("operand 0 is a number");
    out.ndim = in[0].ndim;
    for (int d = 0; d < out.ndim; d++) out.sizes[d] = in[0].sizes[d];
    for (int k = 1; k < nin; k++) {
      const gems_tensor& t = in[k];
      if (t.flags & (GEMS_T_SCALAR | GEMS_T_ABSENT)) continue;
      if (t.ndim > out.ndim) return unsupported_plan("operand 0 is broadcast");
      for (int d = 0; d < t.ndim; d++)
        if (t.sizes[d] != 1 && t.sizes[d] != out.sizes[out.ndim - t.ndim + d]) return unsupported_plan("operand 0 is broadcast");
    }
    out.contiguous = true;
    return Plan::ok;
  }
  if (simple) {
    out.ndim = lead->ndim;
    for (int d = 0; d < lead->ndim; d++) out.sizes[d] = lead->sizes[d];
    bool contiguous = true, same = true;
    for (int k = 0; k < nin; k++) {
      const gems_tensor& t = in[k];
      if (t.flags & (GEMS_T_SCALAR | GEMS_T_ABSENT)) continue;
      contiguous = contiguous && (t.flags & GEMS_T_CONTIGUOUS);
      if (!contiguous) same = same && same_strides(*lead, t);
    }
    out.contiguous = contiguous;
    if (contiguous) return Plan::ok;
    if (same && !overlaps_itself(*lead)) {  // dense in some order: keep the layout; otherwise fall through to the general rule
      int64_t span = 1;
      for (int d = 0; d < lead->ndim; d++) span += (lead->sizes[d] - 1) * lead->strides[d];
      if (span == lead->numel) {
        std::memcpy(out.strides, lead->strides, sizeof(int64_t) * lead->ndim);
        return Plan::ok;
      }
    }
  } else {
    int nd = 0;
    for (int k = 0; k < nin; k++)
      if (!(in[k].flags & (GEMS_T_SCALAR | GEMS_T_ABSENT))) nd = std::max(nd, int{in[k].ndim});
    for (int d = 0; d < nd; d++) out.sizes[d] = 1;
    for (int k = 0; k < nin; k++) {
      const gems_tensor& t = in[k];
      if (t.flags & (GEMS_T_SCALAR | GEMS_T_ABSENT)) continue;
      for (int d = 0; d < t.ndim; d++) {
        int64_t& o = out.sizes[nd - t.ndim + d];
        if (o == 1) o = t.sizes[d];
        else if (t.sizes[d] != 1 && t.sizes[d] != o) return Plan::shape_mismatch;
      }
    }
    out.ndim = nd;
  }
  Space s;
  s.ndim = out.ndim;
  s.nops = nin;
  std::memcpy(s.size, out.sizes, sizeof(int64_t) * out.ndim);
  for (int k = 0; k < nin; k++) broadcast_strides(in[k], out.sizes, out.ndim, s.stride[k]);
  int perm[kMaxRank];
  order_dims(s, 0, perm);
  out.contiguous = true;
  int64_t st = 1;
  for (int i = 0; i < out.ndim; i++) {
    out.contiguous = out.contiguous && perm[i] == out.ndim - 1 - i;
    out.strides[perm[i]] = st;
    st *= std::max<int64_t>(out.sizes[perm[i]], 1);
  }
  return Plan::ok;
}

Plan build_pointwise(gems_call& call) {
  gems_iter& it = call.it;
  const int nops = call.nout + call.nin;
  const gems_tensor& out = call.t[0];
  it.nred = 0;
  it.numel = out.numel;
  bool dense = true;
  for (int k = 0; dense && k < nops; k++) {
    const gems_tensor& t = call.t[k];
    if (t.flags & (GEMS_T_SCALAR | GEMS_T_ABSENT)) continue;
    dense = (t.flags & GEMS_T_CONTIGUOUS) && t.numel == out.numel && (k == 0 || t.ndim <= out.ndim);
  }
  if (dense) {
    it.ndim = 1;
    it.size[0] = out.numel;
    for (int k = 0; k < nops; k++) it.stride[k][0] = call.t[k].flags & (GEMS_T_SCALAR | GEMS_T_ABSENT) ? 0 : 1;
    it.contiguous = 1;
    return Plan::ok;
  }
  Space s;
  s.ndim = out.ndim;
  s.nops = nops;
  if (out.ndim > kMaxRank) return unsupported_plan("rank");
  std::memcpy(s.size, out.sizes, sizeof(int64_t) * out.ndim);
  for (int k = 0; k < nops; k++) broadcast_strides(call.t[k], out.sizes, out.ndim, s.stride[k]);
  if (out.ndim == 0) {
    s.ndim = 1;
    s.size[0] = 1;
    for (int k = 0; k < nops; k++) s.stride[k][0] = 0;
  }
  int perm[kMaxRank];
  order_dims(s, 0, perm);
  it.ndim = collapse(s, perm, 0, s.ndim, it, 0);
  if (it.ndim < 0) return unsupported_plan("more dimensions than kernels take");
  it.contiguous = it.ndim == 1;
  for (int k = 0; it.contiguous && k < nops; k++)
    if (!(call.t[k].flags & (GEMS_T_SCALAR | GEMS_T_ABSENT)) && it.stride[k][0] != 1) it.contiguous = 0;
  return Plan::ok;
}

}  // namespace gems
