// gather, index_select, embedding: one skeleton, out[...] = self[..., idx, ...].
#include "bindings/torch/handlers.h"
#include "bindings/torch/tensors.h"
#include "core/backend.h"

namespace gems::torch_binding {
namespace {

bool index_dtype(const at::Tensor& i) { return i.scalar_type() == c10::kLong || i.scalar_type() == c10::kInt; }

// `sizes`: shape of the result; self_strides[dim] becomes 0; index_strides broadcast the index against the result.
bool run_index(Row& r, torch::jit::Stack& st, const at::Tensor& self, const at::Tensor& index, int dim, c10::IntArrayRef sizes,
               const int64_t* self_strides, const int64_t* index_strides) {
  const int rank = static_cast<int>(sizes.size());
  if (rank > kMaxRank) return false;
  OutMeta m;
  m.ndim = rank;
  for (int d = 0; d < rank; d++) m.sizes[d] = sizes[d];
  m.dtype = static_cast<int>(self.scalar_type());
  c10::IValue* a = arguments(r, st);
  gems_call call;
  call.op = r.op;
  call.nout = 1;
  call.nin = 2;
  call.npar = 2;
  call.compute = GEMS_I64;
  view(self, call.t[1]);
  view(index, call.t[2]);
  at::Tensor out;
  if (r.nouts) {
    out = a[r.outs[0]].toTensor();
    if (out.scalar_type() != self.scalar_type() || out.device() != self.device() || !fit_out(m, out)) return false;
    writable(out, call.t[0]);
    if (overlap(call.t[0], call.t + 1, 2) || call.t[0].data == call.t[1].data) return false;
  } else {
    out = allocate(m, self.device());
    writable(out, call.t[0]);
  }
  call.par[0].i = self.dim() ? self.stride(dim) : 1;
  call.par[1].i = self.dim() ? self.size(dim) : 1;
  const int64_t* strides[3] = {call.t[0].strides, self_strides, index_strides};
  if (build_index(call, rank, m.sizes, strides) != Plan::ok) return false;
  if (call.it.numel > 0) {
    call.stream = current_stream(call.t[0].device_type, call.t[0].device_index);
    DeviceScope scope(call.t[0].device_type, call.t[0].device_index);
    if (!done(run(call), call)) return false;
  }
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
  int64_t ss[kMaxRank];
  for (int d = 0; d < nd; d++) {
    if (d != dim && index.size(d) > self.size(d)) return false;  // torch's error
    ss[d] = d == dim ? 0 : self.stride(d);
  }
  return run_index(r, st, self, index, static_cast<int>(dim), index.sizes(), ss, index.strides().data());
}

bool handle_index_select(Row& r, torch::jit::Stack& st) {
  c10::IValue* a = arguments(r, st);
  const at::Tensor &self = a[0].toTensor(), &index = a[2].toTensor();
  const int nd = static_cast<int>(self.dim());
  int64_t dim = a[1].toInt();
  if (!usable(self, index) || nd == 0 || index.dim() > 1 || dim < -nd || dim >= nd) return false;
  if (dim < 0) dim += nd;
  c10::DimVector sizes(self.sizes().begin(), self.sizes().end());
  sizes[dim] = index.numel();
  int64_t ss[kMaxRank], is[kMaxRank];
  for (int d = 0; d < nd; d++) {
    ss[d] = d == dim ? 0 : self.stride(d);
    is[d] = d == dim && index.dim() ? index.stride(0) : 0;
  }
  return run_index(r, st, self, index, static_cast<int>(dim), sizes, ss, is);
}

bool handle_embedding(Row& r, torch::jit::Stack& st) {
  c10::IValue* a = arguments(r, st);
  const at::Tensor &weight = a[0].toTensor(), &index = a[1].toTensor();
  if (!usable(weight, index) || weight.dim() != 2) return false;
  const int rank = static_cast<int>(index.dim()) + 1;
  c10::DimVector sizes(index.sizes().begin(), index.sizes().end());
  sizes.push_back(weight.size(1));
  int64_t ss[kMaxRank], is[kMaxRank];
  for (int d = 0; d < rank; d++) {
    ss[d] = d == rank - 1 ? weight.stride(1) : 0;
    is[d] = d == rank - 1 ? 0 : index.stride(d);
  }
  return run_index(r, st, weight, index, 0, sizes, ss, is);
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
