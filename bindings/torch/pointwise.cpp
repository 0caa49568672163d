// Pointwise operators: the first `in` arguments are operands, the further numbers are parameters.
#include <ATen/core/ivalue.h>

#include <cfloat>
#include <cmath>

#include "bindings/torch/handlers.h"
#include "bindings/torch/pointwise.h"
#include "bindings/torch/tensors.h"
#include "core/backend.h"

namespace gems::torch_binding {

// The greatest number of a floating point dtype.
static double greatest(int dtype) {
  return dtype == GEMS_F16 ? 65504. : dtype == GEMS_BF16 ? 0x1.fep127 : dtype == GEMS_F32 ? FLT_MAX : DBL_MAX;
}

// Operands are in call.t[1..]; `lead` says which of them are tensors. 0-d CPU tensors become numbers where another tensor gives
// the shape, so that `x * torch.tensor(2.)` and CUDA tensors with CPU scalars take the fast road.
static bool settle_operands(gems_call& call, const at::Tensor* const* tensors) {
  int nd = -1, lead = -1;
  bool cuda = false;
  for (int k = 0; k < call.nin; k++)
    if (tensors[k]) {
      const int d = static_cast<int>(tensors[k]->dim());
      const bool on_cuda = tensors[k]->device().type() == c10::DeviceType::CUDA;
      cuda = cuda || on_cuda;
      const bool better = d > nd || (d == nd && lead >= 0 && on_cuda && tensors[lead]->device().type() == c10::DeviceType::CPU) ||
                          (d == 0 && nd == 0 && tensors[lead]->unsafeGetTensorImpl()->is_wrapped_number());
      if (better) {
        nd = d;
        lead = k;
      }
    }
  if (lead < 0) return false;
  for (int k = 0; k < call.nin; k++) {
    if (!tensors[k]) continue;
    const at::Tensor& t = *tensors[k];
    if (k != lead && t.dim() == 0 && t.device().type() == c10::DeviceType::CPU) {
      if (!number(t, call.t[1 + k])) return false;
    } else {
      view(t, call.t[1 + k]);
      if (t.unsafeGetTensorImpl()->is_wrapped_number()) call.t[1 + k].flags |= GEMS_T_WRAPPED;
    }
  }
  const gems_tensor& first = call.t[1 + lead];
  if (cuda && first.device_type != GEMS_CUDA) return false;  // 0-d CUDA tensor with dimensioned CPU tensors: torch's error
  for (int k = 0; k < call.nin; k++)
    if (!same_device(first, call.t[1 + k])) return false;
  call.t[0].device_type = first.device_type;
  call.t[0].device_index = first.device_index;
  return true;
}

bool run_pointwise(gems_call& call, const at::Tensor* const* tensors, const gems_tensor* pars, const at::Tensor* given,
                   bool inplace, at::Tensor& result, bool generated) {
  if (!settle_operands(call, tensors)) return false;
  PointwiseOptions opt;
  opt.default_dtype = static_cast<int>(c10::typeMetaToScalarType(c10::get_default_dtype()));
  if (given) opt.out_dtype = static_cast<int>(given->scalar_type());
  opt.pars = pars;
  OutMeta meta;
  // Some operators convert into an out= of another dtype, by way of the result's, and some refuse it: torch knows.
  opt.same_dtype = given && !inplace && (generated || op_rule(call.op) != rule::boolean);
  if (plan_pointwise(call, opt, meta) != Plan::ok) return false;
  for (int i = 0; i < call.npar; i++) {
    const gems_tensor& p = pars[i];
    gems_scalar value = p.imm;
    if (p.flags & GEMS_T_ABSENT && std::abs(value.d) == DBL_MAX) value.d = std::copysign(greatest(call.common), value.d);
    const bool promoted = call.op->promote >> i & 1;
    // "For integral input tensors, argument alpha must not be a floating point number" and the like: torch says it
    if (!dtype_is_float(call.compute) && p.dtype == GEMS_F64) return false;
    if (p.dtype == GEMS_BOOL && (p.flags & GEMS_T_WRAPPED) && call.compute != GEMS_BOOL && !promoted) return false;
    if (promoted && dtype_is_int(call.common) && value.i < 0) return false;
    if (!holds(value, p.dtype, call.common)) return false;
    call.par[i] = convert_scalar(value, p.dtype, call.compute, dtype_is_int(call.common) || promoted ? int{call.common} : -1);
  }
  const bool on_cpu = call.t[0].device_type == GEMS_CPU;  // whose tensors have no device index
  const c10::Device device(static_cast<c10::DeviceType>(call.t[0].device_type), on_cpu ? -1 : call.t[0].device_index);
  if (given) {
    if (given->device() != device) return false;
    if (inplace ? !same_sizes(meta, *given) : !fit_out(meta, *given)) return false;
    writable(*given, call.t[0]);
    if (overlap(call.t[0], call.t + 1, call.nin)) return false;
  } else {
    result = allocate(meta, device);
    writable(result, call.t[0]);
  }
  if (build_pointwise(call) != Plan::ok) return false;
  if (call.it.numel == 0) {
    call_counter().fetch_add(1, std::memory_order_relaxed);
    return true;
  }
  call.stream = current_stream(call.t[0].device_type, call.t[0].device_index);
  DeviceScope scope(call.t[0].device_type, call.t[0].device_index);
  return done(run(call), call);
}

bool take_arguments(const Row& r, const c10::IValue* a, gems_call& call, const at::Tensor** tensors, gems_tensor* pars) {
  call.op = r.op;
  call.nout = 1;
  call.nin = r.op->in;
  call.npar = r.op->par;
  for (int k = 0; k < call.nin; k++) {
    const c10::IValue& v = a[r.operand[k]];
    if (v.isTensor() && v.toTensor().defined()) {
      tensors[k] = &v.toTensor();
    } else if (v.isNone() || v.isTensor()) {  // an optional bound that wasn't given
      number(c10::Scalar(r.missing[k]), call.t[1 + k]);
      call.t[1 + k].flags |= GEMS_T_ABSENT;
    } else if (!number(v.toScalar(), call.t[1 + k])) {
      return false;
    }
  }
  for (int i = 0; i < call.npar; i++) {
    gems_tensor& p = pars[i];
    p.flags = 0;
    if (r.par[i] < 0) return false;
    const c10::IValue& v = a[r.par[i]];
    if (r.par[i] == r.reduction) {  // of a gradient: what every element's is multiplied by
      const double n = static_cast<double>(tensors[1] ? tensors[1]->numel() : 1);
      p.flags = GEMS_T_WRAPPED;
      p.dtype = GEMS_F64;
      p.imm.d = v.toInt() == 1 ? 1 / n : 1;
      continue;
    }
    if (v.isNone() && r.choices.empty()) {
      p.flags = GEMS_T_ABSENT;
      p.dtype = GEMS_F64;
      p.imm.d = r.missing[call.nin + i];
      continue;
    }
    if (v.isString() || v.isNone()) {
      const std::string text = v.isNone() ? "None" : v.toStringRef();
      int at = -1;
      for (size_t c = 0; c < r.choices.size(); c++)
        if (r.choices[c] == text) at = static_cast<int>(c);
      if (at < 0) return false;
      p.dtype = GEMS_I64;
      p.imm.i = at;
    } else if (v.isBool() && !(call.op->promote >> i & 1)) {
      p.dtype = GEMS_I64;
      p.imm.i = v.toBool();
    } else if (!number(v.toScalar(), p)) {
      return false;
    }
  }
  return true;
}

bool handle_pointwise(Row& r, torch::jit::Stack& st) {
  c10::IValue* a = arguments(r, st);
  gems_call call;
  const at::Tensor* tensors[kMaxOperands] = {};
  gems_tensor pars[kMaxPars];
  if (!take_arguments(r, a, call, tensors, pars)) return false;
  const at::Tensor* given = r.inplace ? &a[0].toTensor() : r.nouts ? &a[r.outs[0]].toTensor() : nullptr;
  at::Tensor result;
  if (!run_pointwise(call, tensors, pars, given, r.inplace, result, r.generated)) return false;
  finish(r, st, given ? at::Tensor(*given) : std::move(result));
  return true;
}

}  // namespace gems::torch_binding
