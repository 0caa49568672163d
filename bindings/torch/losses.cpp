// Operators that are a pointwise one or two with something around: losses with a reduction, two results, halves of a tensor.
#include "bindings/torch/handlers.h"
#include "bindings/torch/pointwise.h"
#include "bindings/torch/tensors.h"

namespace gems::torch_binding {

bool handle_pointwise_pair(Row& r, torch::jit::Stack& st) {
  c10::IValue* a = arguments(r, st);
  at::Tensor out[2];
  for (int o = 0; o < 2; o++) {
    gems_call call;
    const at::Tensor* tensors[kMaxOperands] = {};
    gems_tensor pars[kMaxPars];
    if (!take_arguments(r, a, call, tensors, pars)) return false;
    const at::Tensor* given = r.nouts ? &a[r.outs[o]].toTensor() : nullptr;
    if (given) out[o] = *given;
    if (given && tensors[0] && given->is_alias_of(*tensors[0])) return false;  // the second call reads it again
    // Where memory's bandwidth is the limit, torch's one kernel for both results wins.
    if (r.op->in > 1 && tensors[0] && tensors[0]->device().type() == c10::DeviceType::CUDA) return false;
    // torch's log_sigmoid has its second result for the CPU only.
    if (o && r.op->in == 1 && tensors[0] && tensors[0]->device().type() == c10::DeviceType::CUDA) {
      if (!given) out[o] = allocate(c10::IntArrayRef{0}, static_cast<int>(tensors[0]->scalar_type()), tensors[0]->device());
      continue;
    }
    if (o) call.op = r.second;
    if (!run_pointwise(call, tensors, pars, given, false, out[o], r.generated)) return false;
  }
  st.erase(st.end() - r.nargs, st.end());
  for (at::Tensor& t : out) st.emplace_back(std::move(t));
  return true;
}

// What torch refuses: a result that isn't bool, a negative width.
bool handle_sign(Row& r, torch::jit::Stack& st) {
  if (r.nouts && arguments(r, st)[r.outs[0]].toTensor().scalar_type() != c10::kBool) return false;
  return handle_pointwise(r, st);
}
bool handle_softshrink(Row& r, torch::jit::Stack& st) {
  return arguments(r, st)[1].toScalar().toDouble() >= 0 && handle_pointwise(r, st);
}

namespace {

// The halves of a tensor along a dimension; false: torch's error.
bool halves(const at::Tensor& t, int64_t dim, at::Tensor (&half)[2]) {
  const int64_t nd = t.dim();
  if (nd == 0 || dim < -nd || dim >= nd || t.numel() == 0) return false;
  if (dim < 0) dim += nd;
  if (t.size(dim) % 2) return false;
  std::vector<int64_t> sizes(t.sizes().begin(), t.sizes().end());
  sizes[dim] /= 2;
  for (int k = 0; k < 2; k++) half[k] = t.as_strided(sizes, t.strides(), t.storage_offset() + k * sizes[dim] * t.stride(dim));
  return true;
}

bool run_on(const gems_op_info* op, std::initializer_list<const at::Tensor*> in, const at::Tensor* given, at::Tensor& out) {
  gems_call call;
  call.op = op;
  call.nout = 1;
  call.nin = static_cast<int>(in.size());
  call.npar = 0;
  return run_pointwise(call, in.begin(), nullptr, given, false, out);
}

}  // namespace

// Its third argument is the forward call's second result, which only the CPU has.
bool handle_log_sigmoid_backward(Row& r, torch::jit::Stack& st) {
  c10::IValue* a = arguments(r, st);
  const at::Tensor &self = a[1].toTensor(), &kept = a[2].toTensor();
  if (self.device().type() == c10::DeviceType::CUDA) return handle_pointwise(r, st);
  at::Tensor out;
  const at::Tensor* given = r.nouts ? &a[r.outs[0]].toTensor() : nullptr;
  if (kept.sizes() != self.sizes() || !run_on(r.second, {&a[0].toTensor(), &self, &kept}, given, out)) return false;
  finish(r, st, given ? at::Tensor(*given) : std::move(out));
  return true;
}

bool handle_glu(Row& r, torch::jit::Stack& st) {
  c10::IValue* a = arguments(r, st);
  at::Tensor half[2], out;
  if (!halves(a[0].toTensor(), a[1].toInt(), half)) return false;
  const at::Tensor* given = r.nouts ? &a[r.outs[0]].toTensor() : nullptr;
  if (!run_on(r.op, {&half[0], &half[1]}, given, out)) return false;
  finish(r, st, given ? at::Tensor(*given) : std::move(out));
  return true;
}

namespace {

// Shapes and layouts that torch's kernels treat alike: of operands that differ in shape some broadcast, some raise, some resize the
// result. `first` is the position of self; a gradient in front of it may be one number, a weight behind the target is broadcast.
bool alike(const at::Tensor* const* t, int first, int count) {
  const at::Tensor& self = *t[first];
  if (first && t[0]->dim() && t[0]->sizes() != self.sizes()) return false;
  if (t[first + 1]->sizes() != self.sizes()) return false;
  if (const at::Tensor* w = count > first + 2 ? t[first + 2] : nullptr) {
    if (w->dim() > self.dim()) return false;
    for (int64_t d = 1; d <= w->dim(); d++)
      if (w->size(-d) != self.size(-d) && w->size(-d) != 1) return false;
  }
  return true;
}

}  // namespace

bool handle_loss_backward(Row& r, torch::jit::Stack& st) {
  c10::IValue* a = arguments(r, st);
  const at::Tensor* t[kMaxOperands];
  for (int k = 0; k < r.op->in; k++) t[k] = a[r.operand[k]].isTensor() ? &a[r.operand[k]].toTensor() : nullptr;
  if (!alike(t, 1, r.op->in)) return false;
  // binary_cross_entropy_backward raises where its output has another shape.
  if (r.op->in == 4 && r.nouts && a[r.outs[0]].toTensor().sizes() != t[1]->sizes()) return false;
  return handle_pointwise(r, st);
}

// As torch's kernels: the elements' losses in memory, then their mean or sum, both by our kernels.
bool handle_loss(Row& r, torch::jit::Stack& st) {
  c10::IValue* a = arguments(r, st);
  const at::Tensor& self = a[0].toTensor();
  const int64_t reduction = a[r.reduction].toInt();
  if (r.key.rfind("huber_loss", 0) == 0 && a[3].toDouble() <= 0) return false;  // torch's error
  const at::Tensor* tensors[kMaxOperands] = {};
  for (int k = 0; k < r.op->in; k++) tensors[k] = a[r.operand[k]].isTensor() ? &a[r.operand[k]].toTensor() : nullptr;
  if (!alike(tensors, 0, r.op->in)) return false;
  if (reduction == 0) {
    if (r.op->in == 3 && r.nouts && a[r.outs[0]].toTensor().sizes() != self.sizes()) return false;
    return handle_pointwise(r, st);
  }
  gems_call call;
  gems_tensor pars[kMaxPars];
  if (r.op->in == 3 && r.nouts && tensors[2]) return false;  // torch multiplies the output, of one element, by the weights
  at::Tensor each, out;
  const at::Tensor* given = r.nouts ? &a[r.outs[0]].toTensor() : nullptr;
  if (reduction < 0 || reduction > 2 || !take_arguments(r, a, call, tensors, pars) || self.numel() == 0) return false;
  if (!run_pointwise(call, tensors, pars, nullptr, false, each, r.generated)) return false;
  if (!reduce_all(reduction == 1, each, given, out)) return false;
  finish(r, st, std::move(out));
  return true;
}

}  // namespace gems::torch_binding
