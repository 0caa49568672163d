// Row operators (softmax, norms) and scans.
#include "bindings/torch/handlers.h"
#include "bindings/torch/tensors.h"
#include "core/backend.h"
#include "core/tune/online.h"

namespace gems::torch_binding {
namespace {

bool launch(gems_call& call) {
  call.stream = current_stream(call.t[0].device_type, call.t[0].device_index);
  DeviceScope scope(call.t[0].device_type, call.t[0].device_index);
  return done(run(call), call);
}

// Compute type of a row operator from its first input; false if the operator doesn't declare it.
bool set_compute(gems_call& call, int dtype) {
  const int c = dtype_is_served(dtype) ? compute_type(call.op, dtype) : -1;
  call.compute = static_cast<int8_t>(c);
  return c >= 0;
}

bool wrap_dim(int64_t d, int64_t nd, int& out) {
  if (nd == 0) nd = 1;
  if (d < -nd || d >= nd) return false;
  out = static_cast<int>(d < 0 ? d + nd : d);
  return true;
}

// torch's softmax, its backward and the scans give dense row-major results whatever the input's layout.
bool like(const at::Tensor& x, int dtype, OutMeta& m) {
  if (x.dim() > kMaxRank) return false;
  m.dtype = dtype;
  m.ndim = static_cast<int>(x.dim());
  m.contiguous = true;
  for (int d = 0; d < m.ndim; d++) m.sizes[d] = x.size(d);
  return true;
}

at::Tensor optional_tensor(const c10::IValue& v) { return v.isTensor() ? v.toTensor() : at::Tensor(); }

bool view_optional(const at::Tensor& t, const at::Tensor& like, gems_tensor& g) {
  if (!t.defined()) {
    absent(g);
    return true;
  }
  view(t, g);
  return t.device() == like.device() && dtype_is_served(g.dtype);
}

// Number of leading dimensions before normalized_shape, -1 if it doesn't match the input's last dimensions.
int norm_axis(const at::Tensor& x, const c10::IValue& shape) {
  if (!shape.isIntList()) return -1;
  const auto list = shape.toIntList();
  const int64_t n = static_cast<int64_t>(list.size()), axis = x.dim() - n;
  if (n == 0 || axis < 0) return -1;
  for (int64_t i = 0; i < n; i++)
    if (list.get(i) != x.size(axis + i)) return -1;
  return static_cast<int>(axis);
}
bool has_shape_of_row(const at::Tensor& w, const at::Tensor& x, int axis) {
  return !w.defined() || (w.sizes() == x.sizes().slice(axis) && w.is_contiguous());
}
c10::DimVector stat_shape(const at::Tensor& x, int axis) {
  c10::DimVector s(x.sizes().begin(), x.sizes().end());
  for (size_t d = axis; d < s.size(); d++) s[d] = 1;
  return s;
}

}  // namespace

bool handle_softmax(Row& r, torch::jit::Stack& st) {
  c10::IValue* a = arguments(r, st);
  const at::Tensor& x = a[0].toTensor();
  const bool half_to_float = a[2].toBool();
  const int dtype = static_cast<int>(x.scalar_type());
  gems_call call;
  call.op = r.op;
  call.nout = call.nin = 1;
  call.npar = 0;
  int dim;
  if (x.numel() == 0 || !set_compute(call, dtype) || !wrap_dim(a[1].toInt(), x.dim(), dim)) return false;
  if (half_to_float && dtype != GEMS_F16) return false;
  view(x, call.t[1]);
  OutMeta meta;
  if (!like(x, half_to_float ? int{GEMS_F32} : dtype, meta)) return false;
  at::Tensor out;
  if (r.nouts) {
    out = a[r.outs[0]].toTensor();
    if (static_cast<int>(out.scalar_type()) != meta.dtype || out.device() != x.device() || !fit_out(meta, out)) return false;
  } else {
    out = allocate(meta, x.device());
  }
  writable(out, call.t[0]);
  if (r.nouts && overlap(call.t[0], call.t + 1, 1)) return false;
  if (build_row(call, dim, x.dim() == 0 ? 0 : 1) != Plan::ok || !launch(call)) return false;
  finish(r, st, std::move(out));
  return true;
}

// (self, dim, dtype?): the input is converted first.
bool handle_safe_softmax(Row& r, torch::jit::Stack& st) {
  c10::IValue* a = arguments(r, st);
  const at::Tensor& x = a[0].toTensor();
  const int dtype = static_cast<int>(x.scalar_type()), result = a[2].isNone() ? dtype : static_cast<int>(a[2].toInt());
  gems_call call;
  call.op = r.op;
  call.nout = call.nin = 1;
  call.npar = 0;
  int dim;
  if (x.numel() == 0 || !dtype_is_float(result) || !set_compute(call, result) || !wrap_dim(a[1].toInt(), x.dim(), dim))
    return false;
  if (result != dtype && result != GEMS_F32) return false;  // others round on the way
  view(x, call.t[1]);
  OutMeta meta;
  if (!dtype_is_served(dtype) || !like(x, result, meta)) return false;
  at::Tensor out = allocate(meta, x.device());
  writable(out, call.t[0]);
  if (build_row(call, dim, x.dim() == 0 ? 0 : 1) != Plan::ok || !launch(call)) return false;
  finish(r, st, std::move(out));
  return true;
}

bool handle_softmax_backward(Row& r, torch::jit::Stack& st) {
  c10::IValue* a = arguments(r, st);
  const at::Tensor &grad = a[0].toTensor(), &y = a[1].toTensor();
  const int dtype = static_cast<int>(a[3].toInt());
  gems_call call;
  call.op = r.op;
  call.nout = 1;
  call.nin = 2;
  call.npar = 0;
  int dim;
  if (grad.numel() == 0 || grad.sizes() != y.sizes() || grad.device() != y.device() ||
      !set_compute(call, static_cast<int>(y.scalar_type())) || !dtype_is_served(static_cast<int>(grad.scalar_type())) ||
      !dtype_is_float(dtype) || !wrap_dim(a[2].toInt(), grad.dim(), dim))
    return false;
  view(grad, call.t[1]);
  view(y, call.t[2]);
  OutMeta meta;
  if (!like(grad, dtype, meta)) return false;
  at::Tensor out;
  if (r.nouts) {
    out = a[r.outs[0]].toTensor();
    if (static_cast<int>(out.scalar_type()) != meta.dtype || out.device() != grad.device() || !fit_out(meta, out)) return false;
  } else {
    out = allocate(meta, grad.device());
  }
  writable(out, call.t[0]);
  if (r.nouts && overlap(call.t[0], call.t + 1, 2)) return false;
  if (build_row(call, dim, grad.dim() == 0 ? 0 : 1) != Plan::ok || !launch(call)) return false;
  finish(r, st, std::move(out));
  return true;
}

bool handle_layer_norm(Row& r, torch::jit::Stack& st) {
  if (r.nouts) return false;
  c10::IValue* a = arguments(r, st);
  const at::Tensor x = a[0].toTensor().contiguous();
  const at::Tensor w = optional_tensor(a[2]), b = optional_tensor(a[3]);
  const int axis = norm_axis(x, a[1]), dtype = static_cast<int>(x.scalar_type());
  gems_call call;
  call.op = r.op;
  call.nout = call.nin = 3;
  call.npar = 1;
  call.par[0].d = a[4].toDouble();
  if (axis < 0 || x.numel() == 0 || !set_compute(call, dtype) || !has_shape_of_row(w, x, axis) || !has_shape_of_row(b, x, axis))
    return false;
  view(x, call.t[3]);
  if (!view_optional(w, x, call.t[4]) || !view_optional(b, x, call.t[5])) return false;
  const int param = w.defined() ? static_cast<int>(w.scalar_type()) : b.defined() ? static_cast<int>(b.scalar_type()) : dtype;
  // mean and rstd: float for 16-bit inputs on CUDA; on the CPU float only when the parameters are float ("mixed")
  const bool cpu = x.device().type() == c10::DeviceType::CPU;
  if (cpu && param != dtype && param != GEMS_F32) return false;
  if (!cpu && param != dtype) return false;
  const int stat = cpu ? param : dtype == GEMS_F64 ? int{GEMS_F64} : int{GEMS_F32};
  const auto ss = stat_shape(x, axis);
  at::Tensor out = allocate(x.sizes(), dtype, x.device()), mean = allocate(ss, stat, x.device()),
             rstd = allocate(ss, stat, x.device());
  writable(out, call.t[0]);
  writable(mean, call.t[1]);
  writable(rstd, call.t[2]);
  if (build_row(call, axis, static_cast<int>(x.dim()) - axis) != Plan::ok || !launch(call)) return false;
  st.erase(st.end() - r.nargs, st.end());
  st.emplace_back(std::move(out));
  st.emplace_back(std::move(mean));
  st.emplace_back(std::move(rstd));
  return true;
}

namespace {

// Column sums for the gradients of norm weights: operands grad and x as [M, N], one number a row behind them, outputs [N].
bool param_grads(const gems_op_info* op, const at::Tensor& grad, const at::Tensor& x, const at::Tensor* stats, int nstats,
                 int axis, const at::Tensor* outs, int nouts) {
  gems_call call;
  call.op = op;
  call.nout = nouts;
  call.nin = 2 + nstats;
  call.npar = 0;
  if (!call.op || !set_compute(call, static_cast<int>(x.scalar_type()))) return false;
  int64_t m = 1;
  for (int d = 0; d < axis; d++) m *= x.size(d);
  const int64_t n = x.numel() / m;
  const int64_t full[2] = {m, n}, full_strides[2] = {n, 1}, stat[2] = {m, 1}, stat_strides[2] = {1, 1}, out[1] = {n},
                out_strides[1] = {1};
  auto reshape = [](gems_tensor& g, const int64_t* sizes, const int64_t* strides, int nd) {
    g.sizes = sizes;
    g.strides = strides;
    g.ndim = nd;
  };
  view(grad, call.t[nouts]);
  view(x, call.t[nouts + 1]);
  reshape(call.t[nouts], full, full_strides, 2);
  reshape(call.t[nouts + 1], full, full_strides, 2);
  for (int k = 0; k < nstats; k++) {
    view(stats[k], call.t[nouts + 2 + k]);
    reshape(call.t[nouts + 2 + k], stat, stat_strides, 2);
  }
  for (int k = 0; k < nouts; k++) {
    if (!outs[k].defined()) {
      absent(call.t[k]);
      call.t[k].device_type = call.t[nouts].device_type;
      call.t[k].device_index = call.t[nouts].device_index;
      reshape(call.t[k], out, out_strides, 1);
      continue;
    }
    writable(outs[k], call.t[k]);
    reshape(call.t[k], out, out_strides, 1);
  }
  Reduction red;
  red.dims = 1;
  return build_reduce(call, red, false) == Plan::ok && launch(call);
}

}  // namespace

bool handle_layer_norm_backward(Row& r, torch::jit::Stack& st) {
  const OnlinePause two_calls;
  if (r.nouts) return false;
  c10::IValue* a = arguments(r, st);
  const at::Tensor &grad = a[0].toTensor(), &x = a[1].toTensor(), &mean = a[3].toTensor(), &rstd = a[4].toTensor();
  const at::Tensor w = optional_tensor(a[5]), b = optional_tensor(a[6]);
  const auto mask = a[7].toBoolList();
  const int axis = norm_axis(x, a[2]), dtype = static_cast<int>(x.scalar_type());
  gems_call call;
  call.op = r.op;
  call.nout = 1;
  call.nin = 5;
  call.npar = 0;
  if (axis < 0 || x.numel() == 0 || !set_compute(call, dtype) || !has_shape_of_row(w, x, axis) || !grad.is_contiguous() ||
      !x.is_contiguous() || !mean.is_contiguous() || !rstd.is_contiguous() || grad.sizes() != x.sizes() ||
      grad.scalar_type() != x.scalar_type())
    return false;
  if (w.defined() && w.scalar_type() != x.scalar_type()) return false;
  at::Tensor gx, gw[2];
  if (mask.get(0)) {
    gx = allocate(x.sizes(), dtype, x.device());
    writable(gx, call.t[0]);
    view(grad, call.t[1]);
    view(x, call.t[2]);
    view(mean, call.t[3]);
    view(rstd, call.t[4]);
    const auto ss = stat_shape(x, axis);
    if (mean.sizes() != c10::IntArrayRef(ss) || rstd.sizes() != c10::IntArrayRef(ss)) return false;
    if (!view_optional(w, x, call.t[5])) return false;
    if (build_row(call, axis, static_cast<int>(x.dim()) - axis) != Plan::ok || !launch(call)) return false;
  }
  const auto row_shape = x.sizes().slice(axis);
  if (mask.get(1) && w.defined()) gw[0] = allocate(row_shape, dtype, x.device());
  if (mask.get(2) && b.defined()) gw[1] = allocate(row_shape, dtype, x.device());
  const at::Tensor stats[2] = {mean, rstd};
  static const gems_op_info* const layer_norm_param_grad = op_find("layer_norm_param_grad");
  if ((gw[0].defined() || gw[1].defined()) && !param_grads(layer_norm_param_grad, grad, x, stats, 2, axis, gw, 2)) return false;
  st.erase(st.end() - r.nargs, st.end());
  st.emplace_back(std::move(gx));
  st.emplace_back(std::move(gw[0]));
  st.emplace_back(std::move(gw[1]));
  return true;
}

bool handle_rms_norm(Row& r, torch::jit::Stack& st) {
  c10::IValue* a = arguments(r, st);
  const at::Tensor x = a[0].toTensor().contiguous();
  const at::Tensor w = optional_tensor(a[2]);
  const int axis = norm_axis(x, a[1]), dtype = static_cast<int>(x.scalar_type());
  gems_call call;
  call.op = r.op;
  call.nout = 2;
  call.nin = 2;
  call.npar = 1;
  if (axis < 0 || x.numel() == 0 || !set_compute(call, dtype) || !has_shape_of_row(w, x, axis)) return false;
  if (w.defined() && w.scalar_type() != x.scalar_type() && w.scalar_type() != c10::kFloat) return false;
  if (!a[3].isNone()) call.par[0].d = a[3].toDouble();
  else if (dtype == GEMS_F32) call.par[0].d = std::numeric_limits<float>::epsilon();
  else if (dtype == GEMS_F64) call.par[0].d = std::numeric_limits<double>::epsilon();
  else return false;
  view(x, call.t[2]);
  if (!view_optional(w, x, call.t[3])) return false;
  at::Tensor out = allocate(x.sizes(), dtype, x.device()), rstd;
  writable(out, call.t[0]);
  if (r.nrets == 2) {
    rstd = allocate(stat_shape(x, axis), dtype == GEMS_F64 ? int{GEMS_F64} : int{GEMS_F32}, x.device());
    writable(rstd, call.t[1]);
  } else {
    absent(call.t[1]);
  }
  if (build_row(call, axis, static_cast<int>(x.dim()) - axis) != Plan::ok || !launch(call)) return false;
  finish(r, st, std::move(out));
  if (r.nrets == 2) st.emplace_back(std::move(rstd));
  return true;
}

bool handle_rms_norm_backward(Row& r, torch::jit::Stack& st) {
  const OnlinePause two_calls;
  // (grad_out, input, normalized_shape, rstd, weight?, bool[2] output_mask) -> (grad_input, grad_weight)
  c10::IValue* a = arguments(r, st);
  const at::Tensor &grad = a[0].toTensor(), &x = a[1].toTensor(), &rstd = a[3].toTensor();
  const at::Tensor w = optional_tensor(a[4]);
  const auto mask = a[5].toBoolList();
  const int axis = norm_axis(x, a[2]), dtype = static_cast<int>(x.scalar_type());
  gems_call call;
  call.op = r.op;
  call.nout = 1;
  call.nin = 4;
  call.npar = 0;
  if (axis < 0 || x.numel() == 0 || !set_compute(call, dtype) || !has_shape_of_row(w, x, axis) || !grad.is_contiguous() ||
      !x.is_contiguous() || !rstd.is_contiguous() || grad.sizes() != x.sizes() ||
      (w.defined() && w.scalar_type() != x.scalar_type()) || grad.scalar_type() != x.scalar_type())
    return false;
  at::Tensor gx, gw;
  if (mask.get(0)) {
    gx = allocate(x.sizes(), dtype, x.device());
    writable(gx, call.t[0]);
    view(grad, call.t[1]);
    view(x, call.t[2]);
    view(rstd, call.t[3]);
    if (rstd.sizes() != c10::IntArrayRef(stat_shape(x, axis)) || !view_optional(w, x, call.t[4])) return false;
    if (build_row(call, axis, static_cast<int>(x.dim()) - axis) != Plan::ok || !launch(call)) return false;
  }
  if (mask.get(1) && w.defined()) {
    static const gems_op_info* const rms_norm_param_grad = op_find("rms_norm_param_grad");
    gw = allocate(x.sizes().slice(axis), dtype, x.device());
    if (!param_grads(rms_norm_param_grad, grad, x, &rstd, 1, axis, &gw, 1)) return false;
  }
  st.erase(st.end() - r.nargs, st.end());
  st.emplace_back(std::move(gx));
  st.emplace_back(std::move(gw));
  return true;
}

bool handle_fused_add_rms_norm(Row& r, torch::jit::Stack& st) {
  c10::IValue* a = arguments(r, st);
  const at::Tensor &x = a[0].toTensor(), &residual = a[1].toTensor(), &w = a[2].toTensor();
  gems_call call;
  call.op = r.op;
  call.nout = 2;
  call.nin = 3;
  call.npar = 1;
  call.par[0].d = a[3].toDouble();
  const int axis = static_cast<int>(x.dim() - w.dim());
  const char* const name = "fused_add_rms_norm: ";
  TORCH_CHECK(axis >= 0 && w.dim() > 0 && x.sizes().slice(axis) == w.sizes(),
              message(name, "weight of shape ", w.sizes(), " doesn't match the last dimensions of input ", x.sizes()));
  TORCH_CHECK(x.sizes() == residual.sizes(),
              message(name, "input ", x.sizes(), " and residual ", residual.sizes(), " differ in shape"));
  TORCH_CHECK(x.scalar_type() == residual.scalar_type(),
              message(name, "input is ", x.scalar_type(), " but residual is ", residual.scalar_type()));
  TORCH_CHECK(x.device() == residual.device() && x.device() == w.device(),
              message(name, "operands on different devices: ", x.device(), ", ", residual.device(), ", ", w.device()));
  TORCH_CHECK(x.is_floating_point() && set_compute(call, static_cast<int>(x.scalar_type())) &&
                  dtype_is_served(static_cast<int>(w.scalar_type())),
              message(name, "dtype ", x.scalar_type(), " is not supported"));
  if (x.numel() > 0) {
    writable(x, call.t[0]);
    writable(residual, call.t[1]);
    view(x, call.t[2]);
    view(residual, call.t[3]);
    const auto wc = w.is_contiguous() ? w : w.contiguous();
    view(wc, call.t[4]);
    // Interleaved rows share an address range without sharing elements; only dense tensors can be told to overlap for sure.
    const bool dense = x.is_contiguous() && residual.is_contiguous();
    TORCH_CHECK(!dense || (!overlap(call.t[0], call.t + 3, 2) && !overlap(call.t[1], call.t + 4, 1)),
                message(name, "operands overlap in memory"));
    TORCH_CHECK(build_row(call, axis, static_cast<int>(w.dim())) == Plan::ok && launch(call),
                message(name, "not served for this layout or device: ", last_error()));
  }
  st.erase(st.end() - r.nargs, st.end());
  return true;
}

bool handle_cumsum(Row& r, torch::jit::Stack& st) {
  c10::IValue* a = arguments(r, st);
  const at::Tensor& x = a[0].toTensor();
  int dtype = static_cast<int>(x.scalar_type()), dim;
  if (op_rule(r.op) != rule::sum) {
    if (r.nouts && a[r.outs[0]].toTensor().scalar_type() != x.scalar_type()) return false;
  } else if (!a[r.dtype].isNone()) dtype = static_cast<int>(a[r.dtype].toInt());
  else if (r.inplace) dtype = static_cast<int>(x.scalar_type());
  else if (r.nouts) dtype = static_cast<int>(a[r.outs[0]].toTensor().scalar_type());
  else if (!dtype_is_float(dtype)) dtype = GEMS_I64;
  gems_call call;
  call.op = r.op;
  call.nout = call.nin = 1;
  call.npar = 0;
  if (x.numel() == 0 || dtype == GEMS_BOOL || !dtype_is_served(static_cast<int>(x.scalar_type())) || !dtype_is_served(dtype) ||
      !set_compute(call, dtype) || !wrap_dim(a[1].toInt(), x.dim(), dim) ||
      (r.inplace && dtype != static_cast<int>(x.scalar_type())))
    return false;
  view(x, call.t[1]);
  OutMeta meta;
  if (!like(x, dtype, meta)) return false;
  at::Tensor out;
  if (r.inplace || r.nouts) {
    out = r.inplace ? x : a[r.outs[0]].toTensor();
    if (static_cast<int>(out.scalar_type()) != dtype || out.device() != x.device() || !fit_out(meta, out)) return false;
  } else {
    out = allocate(meta, x.device());
  }
  writable(out, call.t[0]);
  if ((r.inplace || r.nouts) && overlap(call.t[0], call.t + 1, 1)) return false;
  if (build_row(call, dim, x.dim() == 0 ? 0 : 1) != Plan::ok || !launch(call)) return false;
  finish(r, st, std::move(out));
  return true;
}

}  // namespace gems::torch_binding
