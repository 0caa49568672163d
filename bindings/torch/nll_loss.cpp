// nll_loss and nll_loss2d, forward and backward.
#include "bindings/torch/handlers.h"
#include "bindings/torch/tensors.h"
#include "core/backend.h"

namespace gems::torch_binding {
namespace {

using at::Tensor;

// [N, C] or [C] with [N] or [] targets; 2d: [N, C, H, W] with [N, H, W].
bool shapes_fit(const Tensor& x, const Tensor& target, bool planes) {
  if (x.dim() != (planes ? 4 : target.dim() == 0 ? 1 : 2)) return false;
  if (target.dim() != (planes ? 3 : x.dim() - 1)) return false;
  for (int64_t d = 0; d < target.dim(); d++)
    if (target.size(d) != x.size(d == 0 ? 0 : d + 1)) return false;
  return true;
}

bool fill(gems_call& call, const Tensor& x, const Tensor& target, const Tensor& weight, const c10::IValue& reduction,
          const c10::IValue& ignored, bool planes, int at_target) {
  if (!x.device().is_cpu() || target.device() != x.device() || x.numel() == 0 || target.numel() == 0 ||
      target.scalar_type() != c10::kLong || !x.is_contiguous() || !target.is_contiguous() || !shapes_fit(x, target, planes))
    return false;
  view(target, call.t[at_target]);
  const int dtype = static_cast<int>(x.scalar_type());
  call.compute = static_cast<int8_t>(dtype_is_served(dtype) && dtype_is_float(dtype) ? GEMS_F64 : -1);
  if (call.compute < 0) return false;
  const int64_t classes = x.size(planes ? 1 : x.dim() - 1);
  if (weight.defined()) {
    if (weight.numel() != classes || weight.dim() != 1 || weight.scalar_type() != x.scalar_type() || !weight.is_contiguous() ||
        weight.device() != x.device())
      return false;
    view(weight, call.t[at_target + 1]);
  } else {
    absent(call.t[at_target + 1]);
  }
  call.it.numel = x.numel();  // what is touched has no iteration space
  call.it.ndim = call.it.nred = 0;
  call.npar = 4;
  call.par[0].i =
      reduction.toInt() == 0 && x.dim() == 1 ? 2 : reduction.toInt();  // one element is its sum, and its weight is told
  call.par[1].i = ignored.toInt();
  call.par[2].i = classes;
  call.par[3].i = target.numel() / (target.dim() ? target.size(0) : 1);
  return true;
}

bool launch(gems_call& call) {
  call.stream = current_stream(call.t[0].device_type, call.t[0].device_index);
  return done(run(call), call);
}
bool fits(const Tensor& given, c10::IntArrayRef sizes, const Tensor& like) {
  return given.sizes() == sizes && given.scalar_type() == like.scalar_type() && given.device() == like.device() &&
         given.is_contiguous() && !given.is_alias_of(like);
}

}  // namespace

// (self, target, weight?, reduction, ignore_index) -> loss, sum of the weights
bool handle_nll_loss(Row& r, torch::jit::Stack& st) {
  c10::IValue* a = arguments(r, st);
  const Tensor &x = a[0].toTensor(), &target = a[1].toTensor(), weight = a[2].isTensor() ? a[2].toTensor() : Tensor();
  gems_call call;
  call.op = r.op;
  call.nout = 2;
  call.nin = 3;
  if (!fill(call, x, target, weight, a[3], a[4], r.key[8] == '2', 3)) return false;
  view(x, call.t[2]);
  const c10::IntArrayRef sizes = call.par[0].i == 0 ? target.sizes() : c10::IntArrayRef();
  Tensor out, total;
  if (r.nouts) {
    out = a[r.outs[0]].toTensor(), total = a[r.outs[1]].toTensor();
    if (!fits(out, sizes, x) || !fits(total, {}, x)) return false;
  } else {
    const int dtype = static_cast<int>(x.scalar_type());
    out = allocate(sizes, dtype, x.device()), total = allocate(c10::IntArrayRef(), dtype, x.device());
  }
  writable(out, call.t[0]);
  writable(total, call.t[1]);
  if (!launch(call)) return false;
  st.erase(st.end() - r.nargs, st.end());
  st.emplace_back(std::move(out));
  st.emplace_back(std::move(total));
  return true;
}

// (grad, self, target, weight?, reduction, ignore_index, sum of the weights)
bool handle_nll_loss_backward(Row& r, torch::jit::Stack& st) {
  c10::IValue* a = arguments(r, st);
  const Tensor &grad = a[0].toTensor(), &x = a[1].toTensor(), &target = a[2].toTensor(), &total = a[6].toTensor();
  const Tensor weight = a[3].isTensor() ? a[3].toTensor() : Tensor();
  gems_call call;
  call.op = r.op;
  call.nout = 1;
  call.nin = 4;
  if (!fill(call, x, target, weight, a[4], a[5], r.key[8] == '2', 2)) return false;
  if (grad.numel() != (call.par[0].i == 0 ? target.numel() : 1) || !grad.is_contiguous() || total.numel() != 1 ||
      grad.scalar_type() != x.scalar_type() || total.scalar_type() != x.scalar_type() ||
      (call.par[0].i == 0 && grad.sizes() != target.sizes()))
    return false;
  view(grad, call.t[1]);
  view(total, call.t[4]);
  Tensor out;
  if (r.nouts) {
    out = a[r.outs[0]].toTensor();
    if (!fits(out, x.sizes(), x) || out.is_alias_of(grad)) return false;
  } else {
    out = allocate(x.sizes(), static_cast<int>(x.scalar_type()), x.device());
  }
  writable(out, call.t[0]);
  if (!launch(call)) return false;
  finish(r, st, std::move(out));
  return true;
}

}  // namespace gems::torch_binding
