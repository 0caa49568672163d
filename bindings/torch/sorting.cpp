// Operators of the sort family along a dimension: sort, topk, kthvalue, medians, mode, cummax, cummin.
#include "bindings/torch/handlers.h"
#include "bindings/torch/tensors.h"
#include "core/backend.h"

namespace gems::torch_binding {
namespace {

bool wrap_dim(int64_t d, int64_t nd, int& out) {
  if (nd == 0) nd = 1;
  if (d < -nd || d >= nd) return false;
  out = static_cast<int>(d < 0 ? d + nd : d);
  return true;
}

struct Result {
  int64_t length;       // along the dimension
  bool keepdim = true;  // false: the dimension (of length 1) is left out
  bool layout = false;  // the input's strides where it has no gaps
  bool helper = false;  // results are arguments 1 and 2, and nothing is returned
};

// values, indices = operator along `dim` of x
bool run_lines(Row& r, torch::jit::Stack& st, const at::Tensor& x, int dim, Result result, int64_t p0, int64_t p1 = 0) {
  if (x.numel() == 0 || x.dim() > kMaxRank || !dtype_is_served(static_cast<int>(x.scalar_type()))) return false;
  c10::IValue* a = arguments(r, st);
  gems_call call;
  call.op = r.op;
  call.nout = call.npar = 2;
  call.nin = 1;
  call.compute = GEMS_I64;
  call.par[0].i = p0;
  call.par[1].i = p1;
  view(x, call.t[2]);
  OutMeta meta;
  for (int d = 0; d < x.dim(); d++)
    if (d != dim || result.keepdim) {
      meta.sizes[meta.ndim] = d == dim ? result.length : x.size(d);
      meta.strides[meta.ndim++] = x.stride(d);
    }
  meta.contiguous = !(result.layout && x.is_non_overlapping_and_dense());
  at::Tensor out[2];
  int64_t sizes[2][kMaxRank], strides[2][kMaxRank];
  for (int k = 0; k < 2; k++) {
    meta.dtype = k ? int{GEMS_I64} : static_cast<int>(x.scalar_type());
    if (r.nouts || result.helper) {
      out[k] = a[result.helper ? 1 + k : r.outs[k]].toTensor();
      if (static_cast<int>(out[k].scalar_type()) != meta.dtype || out[k].device() != x.device() || !fit_out(meta, out[k]))
        return false;
    } else {
      out[k] = allocate(meta, x.device());
    }
    writable(out[k], call.t[k]);
    if ((r.nouts || result.helper) && (overlap(call.t[k], call.t + 2, 1) || call.t[k].data == call.t[2].data)) return false;
    if (result.keepdim || x.dim() == 0) continue;
    for (int d = 0, at = 0; d < x.dim(); d++) {
      sizes[k][d] = d == dim ? 1 : x.size(d);
      strides[k][d] = d == dim ? 1 : call.t[k].strides[at++];
    }
    call.t[k].sizes = sizes[k];
    call.t[k].strides = strides[k];
    call.t[k].ndim = static_cast<int32_t>(x.dim());
  }
  if (r.nouts && overlap(call.t[0], call.t + 1, 1)) return false;
  if (result.length > 0) {
    if (build_lines(call, dim) != Plan::ok) return false;
    call.stream = current_stream(call.t[0].device_type, call.t[0].device_index);
    DeviceScope scope(call.t[0].device_type, call.t[0].device_index);
    if (!done(run(call), call)) return false;
  }
  st.erase(st.end() - r.nargs, st.end());
  for (int k = 0; k < 2 && !result.helper; k++) st.emplace_back(std::move(out[k]));
  return true;
}

}  // namespace

bool handle_sort(Row& r, torch::jit::Stack& st) {
  c10::IValue* a = arguments(r, st);
  const at::Tensor& x = a[0].toTensor();
  int dim;
  if (!wrap_dim(a[r.dim].toInt(), x.dim(), dim)) return false;
  return run_lines(r, st, x, dim, {.length = x.dim() ? x.size(dim) : 1, .layout = true}, a[r.dim + 1].toBool());
}

bool handle_topk(Row& r, torch::jit::Stack& st) {  // (self, k, dim, largest, sorted)
  c10::IValue* a = arguments(r, st);
  const at::Tensor& x = a[0].toTensor();
  int dim;
  if (!a[1].isInt() || !wrap_dim(a[2].toInt(), x.dim(), dim) || x.scalar_type() == c10::kBool) return false;
  const int64_t k = a[1].toInt(), n = x.dim() ? x.size(dim) : 1;
  if (k < 0 || k > n) return false;
  return run_lines(r, st, x, dim, {.length = k}, k, a[3].toBool());
}

bool handle_nth(Row& r, torch::jit::Stack& st) {  // kthvalue (self, k, dim, keepdim), median and nanmedian (self, dim, keepdim)
  c10::IValue* a = arguments(r, st);
  const at::Tensor& x = a[0].toTensor();
  int dim;
  if (!wrap_dim(a[r.dim].toInt(), x.dim(), dim) || x.scalar_type() == c10::kBool) return false;
  const Result result{.length = 1, .keepdim = a[r.keepdim].toBool()};
  if (r.dim == 1) return run_lines(r, st, x, dim, result, 0, r.op->name[0] == 'n' ? 2 : 1);
  const int64_t n = x.dim() ? x.size(dim) : 1;
  if (!a[1].isInt() || a[1].toInt() < 1 || a[1].toInt() > n) return false;
  return run_lines(r, st, x, dim, result, a[1].toInt() - 1, 0);
}

bool handle_mode(Row& r, torch::jit::Stack& st) {
  c10::IValue* a = arguments(r, st);
  const at::Tensor& x = a[0].toTensor();
  int dim;
  if (!wrap_dim(a[r.dim].toInt(), x.dim(), dim)) return false;
  return run_lines(r, st, x, dim, {.length = 1, .keepdim = a[r.keepdim].toBool()}, 0);
}

bool handle_cummax(Row& r, torch::jit::Stack& st) {  // (self, dim) or the helper's (self, values, indices, dim)
  c10::IValue* a = arguments(r, st);
  const at::Tensor& x = a[0].toTensor();
  int dim;
  if (!wrap_dim(a[r.dim].toInt(), x.dim(), dim)) return false;
  return run_lines(r, st, x, dim, {.length = x.dim() ? x.size(dim) : 1, .helper = r.nrets == 0}, r.op->name[4] == 'i');
}

bool handle_median(Row& r, torch::jit::Stack& st) {  // of all elements: one line
  c10::IValue* a = arguments(r, st);
  const at::Tensor& given = a[0].toTensor();
  if (given.numel() == 0 || !dtype_is_served(static_cast<int>(given.scalar_type())) || given.scalar_type() == c10::kBool)
    return false;
  const at::Tensor x = given.contiguous();
  const int dtype = static_cast<int>(x.scalar_type());
  gems_call call;
  call.op = r.op;
  call.nout = call.npar = 2;
  call.nin = 1;
  call.compute = GEMS_I64;
  call.par[0].i = 0;
  call.par[1].i = r.op->name[0] == 'n' ? 2 : 1;
  OutMeta meta;
  meta.dtype = dtype;
  at::Tensor out, index = allocate({1}, GEMS_I64, x.device());
  if (r.nouts) {
    out = a[r.outs[0]].toTensor();
    if (static_cast<int>(out.scalar_type()) != dtype || out.device() != x.device() || !fit_out(meta, out)) return false;
  } else {
    out = allocate(meta, x.device());
  }
  writable(out, call.t[0]);
  writable(index, call.t[1]);
  view(x, call.t[2]);
  if (r.nouts && overlap(call.t[0], call.t + 2, 1)) return false;
  const int64_t n = x.numel(), one = 1;
  for (int k = 0; k < 3; k++) {
    call.t[k].ndim = 1;
    call.t[k].sizes = k == 2 ? &n : &one;
    call.t[k].strides = &one;
  }
  if (build_lines(call, 0) != Plan::ok) return false;
  call.stream = current_stream(call.t[0].device_type, call.t[0].device_index);
  DeviceScope scope(call.t[0].device_type, call.t[0].device_index);
  if (!done(run(call), call)) return false;
  finish(r, st, std::move(out));
  return true;
}

}  // namespace gems::torch_binding
