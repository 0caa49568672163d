// gather, index_select, embedding, take: one skeleton, out[...] = self[..., idx, ...]; and embedding's gradient.
#include "bindings/torch/indexing.h"

#include <ATen/Context.h>

#include <cstring>

#include "core/backend.h"

namespace gems::torch_binding {

bool index_dtype(const at::Tensor& i) { return i.scalar_type() == c10::kLong || i.scalar_type() == c10::kInt; }
bool deterministic() { return at::globalContext().deterministicAlgorithms(); }
int combine_for(const at::Tensor& self, int combine) {
  if (self.scalar_type() != c10::kBool) return combine;
  return combine == kAdd ? kMax : combine == kMul ? kMin : combine;
}

bool IndexCall::run() {
  const int64_t* s[2 + kMaxIndices];
  for (int k = 0; k < 1 + call.nin; k++) s[k] = strides[k];
  if (build_index(call, rank, sizes, s) != Plan::ok) return false;
  if (call.it.numel == 0) {
    call_counter().fetch_add(1, std::memory_order_relaxed);
    return true;
  }
  call.stream = current_stream(call.t[0].device_type, call.t[0].device_index);
  DeviceScope scope(call.t[0].device_type, call.t[0].device_index);
  const gems_status status = gems::run(call);
  if (status == GEMS_FAILED && std::strcmp(last_error(), "index out of range in self") == 0) return false;
  return done(status, call);
}

namespace {

// The walked output is made or taken; sizes and strides of self (0 along what is indexed) and index are set.
bool look_up(Row& r, torch::jit::Stack& st, IndexCall& c, const at::Tensor& self) {
  OutMeta m;
  m.ndim = c.rank;
  for (int d = 0; d < c.rank; d++) m.sizes[d] = c.sizes[d];
  m.dtype = static_cast<int>(self.scalar_type());
  view(self, c.call.t[1]);
  at::Tensor out;
  if (r.nouts) {
    out = arguments(r, st)[r.outs[0]].toTensor();
    if (out.scalar_type() != self.scalar_type() || out.device() != self.device() || !fit_out(m, out)) return false;
    writable(out, c.call.t[0]);
    if (overlap(c.call.t[0], c.call.t + 1, c.call.nin) || c.call.t[0].data == c.call.t[1].data) return false;
  } else {
    out = allocate(m, self.device());
    writable(out, c.call.t[0]);
  }
  for (int d = 0; d < c.rank; d++) c.set(0, d, c.call.t[0].strides[d]);
  if (!c.run()) return false;
  finish(r, st, std::move(out));
  return true;
}

bool usable(const at::Tensor& self, const at::Tensor& index) {
  return self.device() == index.device() && dtype_is_served(static_cast<int>(self.scalar_type())) && index_dtype(index) &&
         self.dim() <= kMaxRank && index.dim() < kMaxRank;
}

}  // namespace

bool handle_gather(Row& r, torch::jit::Stack& st) {
  c10::IValue* a = arguments(r, st);
  const at::Tensor &self = a[0].toTensor(), &index = a[2].toTensor();
  const int nd = static_cast<int>(self.dim());
  int64_t dim = a[1].toInt();
  if (!usable(self, index) || nd == 0 || index.dim() != nd || dim < -nd || dim >= nd || index.scalar_type() != c10::kLong)
    return false;
  if (dim < 0) dim += nd;
  IndexCall c(r, 1, false);
  view(index, c.call.t[2]);
  c.dimension(0, self.stride(dim), self.size(dim));
  c.rank = nd;
  for (int d = 0; d < nd; d++) {
    if (d != dim && index.size(d) > self.size(d)) return false;  // torch's error
    c.sizes[d] = index.size(d);
    c.set(1, d, d == dim ? 0 : self.stride(d));
    c.set(2, d, index.stride(d));
  }
  return look_up(r, st, c, self);
}

bool handle_index_select(Row& r, torch::jit::Stack& st) {
  c10::IValue* a = arguments(r, st);
  const at::Tensor &self = a[0].toTensor(), &index = a[2].toTensor();
  const int nd = static_cast<int>(self.dim());
  int64_t dim = a[1].toInt();
  if (!usable(self, index) || nd == 0 || index.dim() > 1 || dim < -nd || dim >= nd) return false;
  if (dim < 0) dim += nd;
  IndexCall c(r, 1, false);
  view(index, c.call.t[2]);
  c.dimension(0, self.stride(dim), self.size(dim));
  c.rank = nd;
  for (int d = 0; d < nd; d++) {
    c.sizes[d] = d == dim ? index.numel() : self.size(d);
    c.set(1, d, d == dim ? 0 : self.stride(d));
    c.set(2, d, d == dim && index.dim() ? index.stride(0) : 0);
  }
  return look_up(r, st, c, self);
}

bool handle_embedding(Row& r, torch::jit::Stack& st) {
  c10::IValue* a = arguments(r, st);
  const at::Tensor &weight = a[0].toTensor(), &index = a[1].toTensor();
  if (!usable(weight, index) || weight.dim() != 2) return false;
  IndexCall c(r, 1, false);
  view(index, c.call.t[2]);
  c.dimension(0, weight.stride(0), weight.size(0));
  c.rank = static_cast<int>(index.dim()) + 1;
  for (int d = 0; d < c.rank; d++) {
    const bool last = d == c.rank - 1;
    c.sizes[d] = last ? weight.size(1) : index.size(d);
    c.set(1, d, last ? weight.stride(1) : 0);
    c.set(2, d, last ? 0 : index.stride(d));
  }
  return look_up(r, st, c, weight);
}

bool handle_take(Row& r, torch::jit::Stack& st) {
  c10::IValue* a = arguments(r, st);
  const at::Tensor &self = a[0].toTensor(), &index = a[1].toTensor();
  if (!usable(self, index) || index.scalar_type() != c10::kLong || !self.is_contiguous() || self.numel() == 0) return false;
  IndexCall c(r, 1, true);
  view(index, c.call.t[2]);
  c.dimension(0, 1, self.numel());
  c.rank = static_cast<int>(index.dim());
  for (int d = 0; d < c.rank; d++) {
    c.sizes[d] = index.size(d);
    c.set(1, d, 0);
    c.set(2, d, index.stride(d));
  }
  return look_up(r, st, c, self);
}

bool handle_embedding_backward(Row& r, torch::jit::Stack& st) {
  // (grad_output, indices, num_weights, padding_idx, scale_grad_by_freq): t = grad_weight, grad, index; par[0] = padding_idx
  if (r.nouts) return false;
  c10::IValue* a = arguments(r, st);
  const at::Tensor &grad = a[0].toTensor(), &index = a[1].toTensor();
  if (!usable(grad, index) || a[4].toBool() || !grad.is_contiguous() || !index.is_contiguous() || grad.numel() == 0 ||
      !a[2].isInt() || !a[3].isInt())
    return false;
  const int64_t width = grad.size(-1), n = index.numel(), rows = a[2].toInt();
  if (n * width != grad.numel() || !grad.is_floating_point()) return false;
  const int dtype = static_cast<int>(grad.scalar_type());
  gems_call call;
  call.op = r.op;
  call.nout = 1;
  call.nin = 2;
  call.npar = 1;
  call.compute = dtype == GEMS_F64 ? GEMS_F64 : GEMS_F32;
  call.par[0].i = a[3].toInt();
  at::Tensor out = allocate({rows, width}, dtype, grad.device());
  writable(out, call.t[0]);
  view(grad, call.t[1]);
  view(index, call.t[2]);
  const int64_t gs[2] = {n, width}, gst[2] = {width, 1}, is[1] = {n}, ist[1] = {1};
  call.t[1].sizes = gs;
  call.t[1].strides = gst;
  call.t[1].ndim = 2;
  call.t[2].sizes = is;
  call.t[2].strides = ist;
  call.t[2].ndim = 1;
  call.stream = current_stream(call.t[0].device_type, call.t[0].device_index);
  DeviceScope scope(call.t[0].device_type, call.t[0].device_index);
  if (!done(run(call), call)) return false;
  finish(r, st, std::move(out));
  return true;
}

}  // namespace gems::torch_binding
