// Tensors whose values follow from positions: arange, range, linspace, eye, tril, triu.
#include <cmath>

#include "bindings/torch/handlers.h"
#include "bindings/torch/tensors.h"
#include "core/backend.h"

namespace gems::torch_binding {
namespace {
bool served(const at::Tensor& t) {
  const auto d = t.device().type();
  return dtype_is_served(static_cast<int>(t.scalar_type())) && (d == c10::DeviceType::CPU || d == c10::DeviceType::CUDA);
}
// dtype, layout, device, pin_memory of a factory function at a[0..3]; what isn't given comes from `like`.
struct Options {
  int dtype;
  c10::Device device = c10::Device(c10::DeviceType::CPU);
  Options(int dtype, c10::Device device = c10::Device(c10::DeviceType::CPU)) : dtype(dtype), device(device) {}
  bool read(const c10::IValue* a) {
    if (!a[0].isNone()) dtype = static_cast<int>(a[0].toInt());
    if (!a[2].isNone()) device = with_index(a[2].toDevice());
    return dtype_is_served(dtype) && (a[1].isNone() || a[1].toLayout() == c10::kStrided) && (a[3].isNone() || !a[3].toBool()) &&
           (device.is_cpu() || device.is_cuda());
  }
};
int default_dtype() { return static_cast<int>(c10::typeMetaToScalarType(c10::get_default_dtype())); }

// The call of arange: n numbers of `out` from `start`, `step` apart in double or int64, `stride` elements apart from `offset` on.
bool run_range(const at::Tensor& out, int64_t offset, int64_t n, int64_t stride, gems_scalar start, gems_scalar step) {
  static const gems_op_info* op = op_find("arange");
  gems_call call;
  call.op = op;
  call.nout = 1;
  call.nin = 0;
  call.npar = 2;
  writable(out, call.t[0]);
  call.compute =
      dtype_is_float(call.t[0].dtype) ? GEMS_F64 : GEMS_I64;  // 16- and 32-bit floats: computed in double and rounded once
  call.par[0] = start;
  call.par[1] = step;
  call.t[0].data = static_cast<char*>(call.t[0].data) + offset * dtype_size(call.t[0].dtype);
  call.t[0].sizes = &n;
  call.t[0].strides = &stride;
  call.t[0].ndim = 1;
  call.t[0].numel = n;
  call.t[0].flags = stride == 1 ? GEMS_T_CONTIGUOUS : 0;
  if (build_pointwise(call) != Plan::ok) return false;
  if (n == 0) return true;
  call.stream = current_stream(call.t[0].device_type, call.t[0].device_index);
  DeviceScope scope(call.t[0].device_type, call.t[0].device_index);
  return done(run(call), call);
}
bool resized(const at::Tensor& out, int64_t n) {
  if (out.dim() == 1 && out.size(0) == n) return true;
  if (out.numel() != 0) return false;
  out.resize_({n});
  return true;
}
}  // namespace

bool handle_arange(Row& r, torch::jit::Stack& st) {
  // arange.out(end), arange.start_out(start, end, step), range.out(start, end, step): the functional forms reach these
  c10::IValue* a = arguments(r, st);
  gems_tensor v[3];
  number(c10::Scalar(0), v[0]);
  number(c10::Scalar(1), v[2]);
  const int given = r.nargs - (r.nouts ? 1 : 4);
  for (int k = 0; k < given; k++)
    if (!number(a[k].toScalar(), v[given == 1 ? 1 : k])) return false;
  const bool last = r.key[0] == 'r';  // range: with its end
  bool whole = !last;
  for (int k = 0; k < 3; k++) whole = whole && !dtype_is_float(v[k].dtype);
  Options o(whole ? int{GEMS_I64} : default_dtype());
  at::Tensor out;
  if (r.nouts) {
    out = a[r.outs[0]].toTensor();
    if (!served(out) || !out.is_contiguous()) return false;
    o.dtype = static_cast<int>(out.scalar_type());
  } else if (!o.read(a + given)) {
    return false;
  }
  const int dtype = o.dtype;
  if (dtype == GEMS_BOOL || (last && dtype_is_float(dtype) && dtype_size(dtype) == 2))
    return false;                                                           // torch counts those in float
  if (last && (r.nouts ? out.device() : o.device).is_cuda()) return false;  // on a GPU torch counts all of them in float
  double b[3];
  for (int k = 0; k < 3; k++) {
    const bool f = dtype_is_float(v[k].dtype);
    if (f && !dtype_is_float(dtype)) return false;
    b[k] = f ? v[k].imm.d : static_cast<double>(v[k].imm.i);
    if (!std::isfinite(b[k]) || (!f && std::fabs(b[k]) > 9e15)) return false;
  }
  if (b[2] == 0 || (b[2] > 0 ? b[1] < b[0] : b[1] > b[0])) return false;  // torch's error
  const double steps = (b[1] - b[0]) / b[2];
  const int64_t n = last ? static_cast<int64_t>(std::floor(steps)) + 1 : static_cast<int64_t>(std::ceil(steps));
  if (!r.nouts) out = allocate({n}, dtype, o.device);
  else if (!resized(out, n)) return false;
  gems_scalar start, step;
  if (dtype_is_float(dtype)) start.d = b[0], step.d = b[2];
  else start.i = v[0].imm.i, step.i = v[2].imm.i;
  if (!run_range(out, 0, out.numel(), 1, start, step)) return false;
  finish(r, st, at::Tensor(out));
  return true;
}

bool handle_linspace(Row& r, torch::jit::Stack& st) {
  // linspace.out(start, end, steps). From both ends, so that the last number is `end`; integers truncate in float, which stays torch's.
  c10::IValue* a = arguments(r, st);
  gems_tensor v[2];
  const int64_t n = a[2].toInt();
  Options o(default_dtype());
  at::Tensor out;
  if (n < 2) return false;
  if (r.nouts) {
    out = a[r.outs[0]].toTensor();
    if (!served(out) || !out.is_floating_point() || !out.is_contiguous()) return false;
  } else if (!o.read(a + 3) || !dtype_is_float(o.dtype)) {
    return false;
  }
  double ends[2];
  for (int k = 0; k < 2; k++) {
    if (!number(a[k].toScalar(), v[k])) return false;
    ends[k] = dtype_is_float(v[k].dtype) ? v[k].imm.d : static_cast<double>(v[k].imm.i);
    if (!std::isfinite(ends[k])) return false;
  }
  if (!r.nouts) out = allocate({n}, o.dtype, o.device);
  else if (!resized(out, n)) return false;
  gems_scalar start, step;
  step.d = (ends[1] - ends[0]) / static_cast<double>(n - 1);
  start.d = ends[0];
  if (out.scalar_type() != c10::kDouble) {
    if (!run_range(out, 0, n, 1, start, step)) return false;
  } else {
    if (!run_range(out, 0, n / 2, 1, start, step)) return false;
    start.d = ends[1];
    step.d = -step.d;
    if (!run_range(out, n - 1, n - n / 2, -1, start, step)) return false;
  }
  finish(r, st, at::Tensor(out));
  return true;
}

bool handle_full_like(Row& r, torch::jit::Stack& st) {
  // full_like(self, value, *, dtype, layout, device, pin_memory, memory_format), new_full(self, size, value, *, ...), and of zeros, ones
  if (r.nouts) return false;
  c10::IValue* a = arguments(r, st);
  const at::Tensor& self = a[0].toTensor();
  const bool like = r.key[0] != 'n', full = r.find("fill_value") >= 0;
  if (!served(self) || self.dim() > kMaxRank) return false;
  const int at = 1 + !like + full;
  Options o(static_cast<int>(self.scalar_type()), self.device());
  gems_tensor value;
  if (!o.read(a + at) || o.device != self.device()) return false;
  if (full ? !number(a[at - 1].toScalar(), value) : !number(c10::Scalar(r.key.find("ones") != std::string::npos), value))
    return false;
  if (!holds(value.imm, value.dtype, o.dtype) || (!dtype_is_float(o.dtype) && dtype_is_float(value.dtype))) return false;
  OutMeta m;
  if (like) {
    if (!layout_for(self, a[at + 4], m)) return false;
  } else {
    const auto size = a[1].toIntVector();
    if (size.size() > kMaxRank) return false;
    for (int64_t n : size) {
      if (n < 0) return false;
      m.sizes[m.ndim++] = n;
    }
  }
  m.dtype = o.dtype;
  at::Tensor out = allocate(m, o.device);
  if (!fill_with(out, value)) return false;
  finish(r, st, std::move(out));
  return true;
}

bool handle_eye(Row& r, torch::jit::Stack& st) {
  c10::IValue* a = arguments(r, st);
  const int sized = r.nargs - (r.nouts ? 1 : 4);
  const int64_t n = a[0].toInt(), cols = a[sized - 1].toInt(), both = std::min(n, cols);
  Options o(default_dtype());
  if (n < 0 || cols < 0) return false;
  OutMeta m;
  m.ndim = 2;
  m.sizes[0] = n;
  m.sizes[1] = cols;
  at::Tensor out;
  if (r.nouts) {
    out = a[r.outs[0]].toTensor();
    if (!served(out) || !fit_out(m, out)) return false;
  } else {
    if (!o.read(a + sized)) return false;
    out = allocate({n, cols}, o.dtype, o.device);
  }
  gems_tensor zero, one, whole;
  number(c10::Scalar(0), zero);
  number(c10::Scalar(1), one);
  writable(out, whole);
  if (overlap(whole, nullptr, 0)) return false;
  if (out.numel() && (!fill_with(out, zero) || !fill_with(out.as_strided({both}, {out.stride(0) + out.stride(1)}), one)))
    return false;
  finish(r, st, at::Tensor(out));
  return true;
}

bool handle_tri(Row& r, torch::jit::Stack& st) {
  c10::IValue* a = arguments(r, st);
  const at::Tensor& self = a[0].toTensor();
  if (!served(self) || self.dim() < 2 || self.dim() > kMaxRank || !a[1].isInt() || self.numel() == 0) return false;
  gems_call call;
  call.op = r.op;
  call.nout = call.nin = 1;
  call.npar = 1;
  call.par[0].i = a[1].toInt();
  call.compute = GEMS_I64;
  view(self, call.t[1]);
  OutMeta m;
  m.ndim = static_cast<int>(self.dim());
  for (int d = 0; d < m.ndim; d++) m.sizes[d] = self.size(d);
  m.dtype = static_cast<int>(self.scalar_type());
  at::Tensor out;
  if (r.inplace || r.nouts) {
    out = r.inplace ? self : a[r.outs[0]].toTensor();
    if (out.scalar_type() != self.scalar_type() || out.device() != self.device() || !fit_out(m, out)) return false;
  } else {
    out = allocate(m, self.device());
  }
  writable(out, call.t[0]);
  if (overlap(call.t[0], call.t + 1, 1)) return false;
  call.stream = current_stream(call.t[0].device_type, call.t[0].device_index);
  DeviceScope scope(call.t[0].device_type, call.t[0].device_index);
  if (!done(run(call), call)) return false;
  finish(r, st, std::move(out));
  return true;
}

}  // namespace gems::torch_binding
