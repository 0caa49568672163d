// Reductions: (self, dim?, keepdim?, *, dtype?) with one output, or two (max.dim).
#include "bindings/torch/handlers.h"
#include "bindings/torch/tensors.h"
#include "core/backend.h"

#include <algorithm>
#include <cmath>

namespace gems::torch_binding {
namespace {

bool launch(gems_call& call) {
  call.stream = current_stream(call.t[0].device_type, call.t[0].device_index);
  DeviceScope scope(call.t[0].device_type, call.t[0].device_index);
  return done(run(call), call);
}

// linalg_vector_norm: the operator of an order.
const gems_op_info* norm_of(double order) {
  static const gems_op_info* const ops[] = {op_find("norm0"),    op_find("norm1"),    op_find("norm2"),
                                            op_find("norm_max"), op_find("norm_min"), op_find("norm_p")};
  if (order == 0 || order == 1 || order == 2) return ops[static_cast<int>(order)];
  return std::isinf(order) ? ops[order > 0 ? 3 : 4] : ops[5];
}

// The functor's number: the correction of a variance (1 if not given), the order of a norm.
bool parameter(const c10::IValue& v, gems_call& call) {
  if (!v.isNone() && !v.isDouble() && !v.isInt()) return false;
  call.npar = 1;
  call.par[0].d = v.isNone() ? 1 : v.isInt() ? static_cast<double>(v.toInt()) : v.toDouble();
  return true;
}

// torch warns where the correction leaves nothing.
bool has_freedom(const at::Tensor& x, const Reduction& red, double correction) {
  int64_t n = 1;
  for (int64_t d = 0; d < x.dim(); d++)
    if (red.dims >> d & 1) n *= x.size(d);
  return static_cast<double>(n) > correction;
}

bool reduce(Row& r, torch::jit::Stack& st, bool by_order) {
  c10::IValue* a = arguments(r, st);
  const at::Tensor& self = a[0].toTensor();
  if (self.numel() == 0 || self.dim() > kMaxRank) return false;  // empty: identities and errors are the native kernel's
  gems_call call;
  call.op = r.op;
  call.nout = r.op->out;
  call.nin = 1;
  call.npar = 0;
  // One overload returns a part of what the operator computes: var of var_mean.
  const int wanted = r.op->slots ? std::max(r.nouts, r.nrets) : call.nout;
  Reduction red;
  const int nd = static_cast<int>(self.dim());
  auto add_dim = [&](int64_t d) {
    if (d < -nd || d >= nd) return nd == 0 && d >= -1 && d <= 0;
    const uint64_t bit = uint64_t{1} << (d < 0 ? d + nd : d);
    if (red.dims & bit) return false;  // named twice: torch's error
    red.dims |= bit;
    return true;
  };
  const uint64_t all = (uint64_t{1} << nd) - 1;
  if (r.dim < 0 || a[r.dim].isNone()) {
    red.dims = all;
  } else if (a[r.dim].isInt()) {
    if (!add_dim(a[r.dim].toInt())) return false;
  } else if (a[r.dim].isIntList()) {
    const auto list = a[r.dim].toIntList();
    for (size_t i = 0; i < list.size(); i++)
      if (!add_dim(list.get(i))) return false;
    if (list.empty() && op_rule(r.op) == rule::to_float) return false;  // logsumexp over none: an error, or not, by dtype
    if (list.empty()) red.dims = all;
  } else {
    return false;
  }
  if (r.keepdim >= 0) red.keepdim = a[r.keepdim].toBool();
  if (r.dtype >= 0 && !a[r.dtype].isNone()) red.dtype = static_cast<int>(a[r.dtype].toInt());
  else if (r.nouts && r.dtype >= 0 && !by_order) red.dtype = static_cast<int>(a[r.outs[0]].toTensor().scalar_type());
  if (by_order) {
    if (!parameter(a[1], call)) return false;
    call.op = norm_of(call.par[0].d);
  } else if (r.op->par && !parameter(a[r.par[0]], call)) {
    return false;
  }
  if (by_order && !self.is_floating_point()) return false;  // torch's error
  if (by_order && red.dtype >= 0 &&
      static_cast<int>(c10::promoteTypes(self.scalar_type(), static_cast<c10::ScalarType>(red.dtype))) != red.dtype)
    return false;  // torch's error
  view(self, call.t[call.nout]);
  if (r.dtype >= 0 && a[r.dtype].isNone() && op_rule(r.op) == rule::same && !self.is_floating_point())
    return false;  // mean of integers
  OutMeta meta[kMaxOuts];
  const int default_dtype = static_cast<int>(c10::typeMetaToScalarType(c10::get_default_dtype()));
  if (plan_reduce(call, red, default_dtype, meta) != Plan::ok) return false;
  if (op_rule(r.op) == rule::index && !r.op->slots && self.scalar_type() == c10::kBool) return false;  // torch's error
  if (op_rule(r.op) == rule::to_float && !dtype_is_float(meta[0].dtype)) return false;  // mean of integers: torch's error
  if (r.op->slots && r.op->par && op_rule(r.op) == rule::same && !has_freedom(self, red, call.par[0].d)) return false;
  at::Tensor out[kMaxOuts];
  for (int k = 0; k < call.nout; k++) {
    if (k >= wanted) {
      absent(call.t[k]);
      call.t[k].device_type = call.t[0].device_type;
      call.t[k].device_index = call.t[0].device_index;
      continue;
    }
    if (r.nouts) {
      const at::Tensor& given = a[r.outs[k]].toTensor();
      if (static_cast<int>(given.scalar_type()) != meta[k].dtype || given.device() != self.device() || !fit_out(meta[k], given))
        return false;
      out[k] = given;
    } else {
      out[k] = allocate(meta[k], self.device());
    }
    writable(out[k], call.t[k]);
    if (r.nouts && overlap(call.t[k], call.t + call.nout, 1)) return false;
    if (r.nouts && call.t[k].data == call.t[call.nout].data) return false;
  }
  const bool index = r.op->slots == 0 && (op_rule(r.op) == rule::index || call.nout > 1);
  if (build_reduce(call, red, index) != Plan::ok) return false;
  if (!launch(call)) return false;
  st.erase(st.end() - r.nargs, st.end());
  for (int k = 0; k < wanted; k++) st.emplace_back(std::move(out[k]));
  return true;
}

}  // namespace

bool handle_reduce(Row& r, torch::jit::Stack& st) { return reduce(r, st, false); }
bool handle_vector_norm(Row& r, torch::jit::Stack& st) { return reduce(r, st, true); }

// The sum of a matrix' diagonal.
bool handle_trace(Row& r, torch::jit::Stack& st) {
  c10::IValue* a = arguments(r, st);
  const at::Tensor& x = a[0].toTensor();
  if (x.dim() != 2 || x.numel() == 0 || r.nouts || x.scalar_type() == c10::kBool) return false;  // bool: an error of torch
  gems_call call;
  call.op = r.op;
  call.nout = call.nin = 1;
  call.npar = 0;
  view(x, call.t[1]);
  const int64_t size = std::min(x.size(0), x.size(1)), step = x.stride(0) + x.stride(1);
  gems_tensor& diagonal = call.t[1];
  diagonal.sizes = &size;
  diagonal.strides = &step;
  diagonal.numel = size;
  diagonal.ndim = 1;
  diagonal.flags = 0;
  Reduction red;
  red.dims = 1;
  OutMeta meta;
  if (plan_reduce(call, red, GEMS_F32, &meta) != Plan::ok) return false;
  at::Tensor out = allocate(meta, x.device());
  writable(out, call.t[0]);
  if (build_reduce(call, red, false) != Plan::ok || !launch(call)) return false;
  finish(r, st, std::move(out));
  return true;
}

bool handle_equal(Row& r, torch::jit::Stack& st) {
  c10::IValue* a = arguments(r, st);
  const at::Tensor &x = a[0].toTensor(), &y = a[1].toTensor();
  if (x.sizes() != y.sizes() || x.scalar_type() != y.scalar_type() || x.device() != y.device() || x.numel() == 0) return false;
  gems_call call;
  call.op = r.op;
  call.nout = 1;
  call.nin = 2;
  call.npar = 0;
  view(x, call.t[1]);
  view(y, call.t[2]);
  Reduction red;
  red.dims = (uint64_t{1} << x.dim()) - 1;
  OutMeta meta;
  if (x.dim() > kMaxRank || !dtype_is_served(call.t[1].dtype) || plan_reduce(call, red, GEMS_F32, &meta) != Plan::ok)
    return false;
  meta.dtype = GEMS_BOOL;  // of uint8 too
  const at::Tensor out = allocate(meta, x.device());
  writable(out, call.t[0]);
  bool same;
  if (x.device().is_cpu() && x.is_contiguous() && y.is_contiguous()) {
    // By parts that grow, since tensors that differ mostly do so early.
    gems_tensor &p = call.t[1], &q = call.t[2];
    const int64_t n = x.numel(), size = dtype_size(p.dtype), step = 1;
    void* const from[2] = {p.data, q.data};
    int64_t part = 32768;
    red.dims = 1;
    same = true;
    for (int64_t at = 0; at < n && same; at += part, part = std::min<int64_t>(part * 4, n)) {
      const int64_t length = std::min(part, n - at);
      for (gems_tensor* t : {&p, &q}) {
        t->data = static_cast<char*>(t == &p ? from[0] : from[1]) + at * size;
        t->sizes = &length;
        t->strides = &step;
        t->numel = length;
        t->ndim = 1;
      }
      if (build_reduce(call, red, false) != Plan::ok || !launch(call)) return false;
      same = *static_cast<const bool*>(out.const_data_ptr());
    }
  } else {
    if (build_reduce(call, red, false) != Plan::ok || !launch(call)) return false;
    same = out.item().toBool();
  }
  st.erase(st.end() - r.nargs, st.end());
  st.emplace_back(same);
  return true;
}

bool reduce_all(bool mean, const at::Tensor& x, const at::Tensor* given, at::Tensor& out) {
  static const gems_op_info *const sums = op_find("sum"), *const means = op_find("mean");
  if (x.numel() == 0 || x.dim() > kMaxRank) return false;
  gems_call call;
  call.op = mean ? means : sums;
  call.nout = call.nin = 1;
  call.npar = 0;
  Reduction red;
  red.dims = (uint64_t{1} << x.dim()) - 1;
  view(x, call.t[1]);
  OutMeta meta;
  if (plan_reduce(call, red, static_cast<int>(x.scalar_type()), &meta) != Plan::ok) return false;
  if (given && (given->scalar_type() != x.scalar_type() || given->device() != x.device() || !fit_out(meta, *given))) return false;
  out = given ? *given : allocate(meta, x.device());
  writable(out, call.t[0]);
  if (build_reduce(call, red, false) != Plan::ok) return false;
  call.stream = current_stream(call.t[0].device_type, call.t[0].device_index);
  DeviceScope scope(call.t[0].device_type, call.t[0].device_index);
  return done(run(call), call);
}

}  // namespace gems::torch_binding
