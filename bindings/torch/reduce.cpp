// Reductions: (self, dim?, keepdim?, *, dtype?) with one output, or two (max.dim).
#include "bindings/torch/handlers.h"
#include "bindings/torch/tensors.h"
#include "core/backend.h"

namespace gems::torch_binding {

bool handle_reduce(Row& r, torch::jit::Stack& st) {
  c10::IValue* a = arguments(r, st);
  const at::Tensor& self = a[0].toTensor();
  if (self.numel() == 0 || self.dim() > kMaxRank) return false;  // empty: identities and errors are the native kernel's
  gems_call call;
  call.op = r.op;
  call.nout = r.op->out;
  call.nin = 1;
  call.npar = 0;
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
    if (list.empty()) red.dims = all;
  } else {
    return false;
  }
  if (r.keepdim >= 0) red.keepdim = a[r.keepdim].toBool();
  if (r.dtype >= 0 && !a[r.dtype].isNone()) red.dtype = static_cast<int>(a[r.dtype].toInt());
  else if (r.nouts && r.dtype >= 0) red.dtype = static_cast<int>(a[r.outs[0]].toTensor().scalar_type());
  view(self, call.t[call.nout]);
  if (r.dtype >= 0 && a[r.dtype].isNone() && op_rule(r.op) == rule::same && !self.is_floating_point())
    return false;  // mean of integers
  OutMeta meta[kMaxOuts];
  const int default_dtype = static_cast<int>(c10::typeMetaToScalarType(c10::get_default_dtype()));
  if (plan_reduce(call, red, default_dtype, meta) != Plan::ok) return false;
  if (op_rule(r.op) == rule::index && self.scalar_type() == c10::kBool) return false;   // torch's error
  if (op_rule(r.op) == rule::to_float && !dtype_is_float(meta[0].dtype)) return false;  // mean of integers: torch's error
  at::Tensor out[kMaxOuts];
  for (int k = 0; k < call.nout; k++) {
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
  const bool index = op_rule(r.op) == rule::index || call.nout > 1;
  if (build_reduce(call, red, index) != Plan::ok) return false;
  call.stream = current_stream(call.t[0].device_type, call.t[0].device_index);
  DeviceScope scope(call.t[0].device_type, call.t[0].device_index);
  if (!done(run(call), call)) return false;
  st.erase(st.end() - r.nargs, st.end());
  for (int k = 0; k < call.nout; k++) st.emplace_back(std::move(out[k]));
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
