// Copies, fills and factory functions: all of them are our copy kernel (a pointwise identity) with a tensor or a number as source.
#include <cmath>

#include "bindings/torch/handlers.h"
#include "bindings/torch/tensors.h"
#include "core/backend.h"
#include "core/promote.h"

namespace gems::torch_binding {
namespace {

const gems_op_info* copy_op() {
  static const gems_op_info* op = op_find("copy");
  return op;
}

// call.t[0] (output) and call.t[1] (input, broadcastable) are set.
bool run_copy(gems_call& call) {
  call.op = copy_op();
  call.nout = call.nin = 1;
  call.npar = 0;
  if (build_pointwise(call) != Plan::ok) return false;
  if (call.it.numel == 0) {
    call_counter().fetch_add(1, std::memory_order_relaxed);
    return true;
  }
  call.stream = current_stream(call.t[0].device_type, call.t[0].device_index);
  DeviceScope scope(call.t[0].device_type, call.t[0].device_index);
  return done(run(call), call);
}

}  // namespace

bool copy_view(const gems_tensor& dst, const gems_tensor& src) {
  if (!dtype_is_served(dst.dtype) || !dtype_is_served(src.dtype) || !same_device(dst, src)) return false;
  gems_call call;
  call.t[0] = dst;
  call.t[1] = src;
  call.compute = static_cast<int8_t>(compute_type(copy_op(), src.dtype));
  return run_copy(call);
}

namespace {
bool served(const at::Tensor& t) {
  const auto d = t.device().type();
  return dtype_is_served(static_cast<int>(t.scalar_type())) && (d == c10::DeviceType::CPU || d == c10::DeviceType::CUDA);
}

}  // namespace

// Same layout as x (memory_format=preserve), contiguous, or false: channels-last formats are the native kernel's.
bool layout_for(const at::Tensor& x, const c10::IValue& format, OutMeta& m) {
  gems_call call;
  call.op = copy_op();
  call.nout = call.nin = 1;
  call.npar = 0;
  view(x, call.t[1]);
  if (plan_pointwise(call, {}, m) != Plan::ok) return false;
  if (format.isNone()) return true;
  const auto f = format.toMemoryFormat();
  if (f == c10::MemoryFormat::Contiguous) {
    m.contiguous = true;
    return true;
  }
  return f == c10::MemoryFormat::Preserve;
}

bool copy_into(const at::Tensor& dst, const at::Tensor& src) {
  gems_tensor d, s;
  writable(dst, d);
  view(src, s);
  return copy_view(d, s);
}

bool fill_with(const at::Tensor& dst, const gems_tensor& value) {
  gems_tensor d;
  writable(dst, d);
  return fill_view(d, value);
}
bool fill_view(const gems_tensor& dst, const gems_tensor& value) {
  gems_call call;
  call.t[0] = dst;
  if (!dtype_is_served(call.t[0].dtype)) return false;
  call.compute = static_cast<int8_t>(compute_type(copy_op(), call.t[0].dtype));
  call.t[1] = value;
  call.t[1].imm = convert_scalar(value.imm, value.dtype, call.compute, -1);
  return run_copy(call);
}

bool handle_copy_(Row& r, torch::jit::Stack& st) {
  c10::IValue* a = arguments(r, st);
  const at::Tensor &self = a[0].toTensor(), &src = a[1].toTensor();
  if (!served(self) || !served(src) || self.device() != src.device() || src.dim() > self.dim() || self.dim() > kMaxRank)
    return false;
  const auto to = self.sizes(), from = src.sizes();
  for (size_t d = 0; d < from.size(); d++)
    if (from[d] != 1 && from[d] != to[to.size() - from.size() + d]) return false;  // torch's error
  gems_tensor d, s;
  writable(self, d);
  view(src, s);
  if (d.data == s.data && self.is_same(src)) {
    finish(r, st, at::Tensor(self));
    return true;
  }
  if (overlap(d, &s, 1) || !copy_view(d, s)) return false;
  finish(r, st, at::Tensor(self));
  return true;
}

bool handle_to_copy(Row& r, torch::jit::Stack& st) {
  // (self, *, dtype?, layout?, device?, pin_memory?, non_blocking, memory_format?)
  if (r.nouts) return false;
  c10::IValue* a = arguments(r, st);
  const at::Tensor& self = a[0].toTensor();
  const int dtype = a[1].isNone() ? static_cast<int>(self.scalar_type()) : static_cast<int>(a[1].toInt());
  if (!served(self) || !dtype_is_served(dtype) || self.dim() > kMaxRank) return false;
  if (!a[2].isNone() && a[2].toLayout() != c10::kStrided) return false;
  if (!a[4].isNone() && a[4].toBool()) return false;  // pinned memory
  if (!a[3].isNone()) {
    const c10::Device d = with_index(a[3].toDevice());
    if (d.type() != self.device().type() || (d.type() != c10::DeviceType::CPU && d.index() != self.device().index()))
      return false;
  }
  OutMeta m;
  if (!layout_for(self, a[6], m)) return false;
  m.dtype = dtype;
  at::Tensor out = allocate(m, self.device());
  if (!copy_into(out, self)) return false;
  finish(r, st, std::move(out));
  return true;
}

bool handle_clone(Row& r, torch::jit::Stack& st) {
  if (r.nouts) return false;
  c10::IValue* a = arguments(r, st);
  const at::Tensor& self = a[0].toTensor();
  OutMeta m;
  if (!served(self) || self.dim() > kMaxRank || !layout_for(self, a[1], m)) return false;
  m.dtype = static_cast<int>(self.scalar_type());
  at::Tensor out = allocate(m, self.device());
  if (!copy_into(out, self)) return false;
  finish(r, st, std::move(out));
  return true;
}

bool handle_fill_(Row& r, torch::jit::Stack& st) {  // fill_.Scalar, fill_.Tensor, zero_
  c10::IValue* a = arguments(r, st);
  const at::Tensor& self = a[0].toTensor();
  gems_tensor value;
  if (!served(self) || self.dim() > kMaxRank) return false;
  if (r.nargs == 1) {
    number(c10::Scalar(0), value);
  } else if (a[1].isTensor()) {
    const at::Tensor& v = a[1].toTensor();
    if (v.dim() != 0 || v.device().type() != c10::DeviceType::CPU || !served(v)) return false;
    if (!number(v, value)) return false;
  } else if (!number(a[1].toScalar(), value)) {
    return false;
  }
  // a number that the dtype can't hold is torch's error ("value cannot be converted to type ... without overflow")
  if (dtype_is_int(static_cast<int>(self.scalar_type()))) {
    const double v = dtype_is_float(value.dtype) ? value.imm.d : static_cast<double>(value.imm.i);
    const int bits = 8 * dtype_size(static_cast<int>(self.scalar_type()));
    const bool u = self.scalar_type() == c10::kByte;
    if (!(v >= (u ? 0 : -std::ldexp(1.0, bits - 1)) && v < std::ldexp(1.0, u ? bits : bits - 1))) return false;
  }
  gems_tensor g;
  view(self, g);
  if (overlap(g, nullptr, 0) || !fill_with(self, value)) return false;
  finish(r, st, at::Tensor(self));
  return true;
}

bool handle_full(Row& r, torch::jit::Stack& st) {
  // zeros/ones(size, *, dtype?, layout?, device?, pin_memory?), full(size, fill_value, *, ...)
  if (r.nouts) return false;
  c10::IValue* a = arguments(r, st);
  if (!a[0].isIntList()) return false;
  const bool full = r.find("fill_value") >= 0;
  const int o = full ? 2 : 1;
  gems_tensor value;
  if (full) {
    if (!number(a[1].toScalar(), value)) return false;
  } else {
    number(c10::Scalar(r.key[0] == 'o' ? 1 : 0), value);
  }
  int dtype;
  if (!a[o].isNone()) dtype = static_cast<int>(a[o].toInt());
  else if (full && value.dtype != GEMS_F64) dtype = value.dtype;
  else dtype = static_cast<int>(c10::typeMetaToScalarType(c10::get_default_dtype()));
  if (!dtype_is_served(dtype) || (!a[o + 1].isNone() && a[o + 1].toLayout() != c10::kStrided)) return false;
  if (!a[o + 3].isNone() && a[o + 3].toBool()) return false;
  const c10::Device device = a[o + 2].isNone() ? c10::Device(c10::DeviceType::CPU) : with_index(a[o + 2].toDevice());
  if (device.type() != c10::DeviceType::CPU && device.type() != c10::DeviceType::CUDA) return false;
  const auto size = a[0].toIntVector();
  for (int64_t s : size)
    if (s < 0) return false;
  if (size.size() > kMaxRank) return false;
  if (dtype_is_int(dtype) && dtype_is_float(value.dtype)) return false;
  at::Tensor out = allocate(size, dtype, device);
  if (!fill_with(out, value)) return false;
  finish(r, st, std::move(out));
  return true;
}

bool handle_cat(Row& r, torch::jit::Stack& st) {
  c10::IValue* a = arguments(r, st);
  const bool stack = r.key[0] == 's';
  const auto list = a[0].toTensorList();
  const size_t n = list.size();
  if (n == 0) return false;
  auto skipped = [&](const at::Tensor& t) { return !stack && t.dim() == 1 && t.size(0) == 0; };  // torch's legacy rule
  at::Tensor first;
  int dtype = -1;
  for (size_t i = 0; i < n; i++) {
    const at::Tensor& t = list.get(i);
    if (!served(t) || (t.dim() == 0 && !stack)) return false;
    dtype = dtype < 0 ? static_cast<int>(t.scalar_type()) : promote_types(dtype, static_cast<int>(t.scalar_type()));
    if (!skipped(t) && !first.defined()) first = t;
  }
  if (!first.defined() || dtype < 0 || first.dim() + stack > kMaxRank) return false;
  const int nd = static_cast<int>(first.dim()) + stack;
  int64_t dim = a[1].toInt();
  if (dim < -nd || dim >= nd) return false;
  if (dim < 0) dim += nd;
  OutMeta m;
  m.ndim = nd;
  m.dtype = dtype;
  for (int d = 0, k = 0; d < nd; d++) m.sizes[d] = stack && d == dim ? static_cast<int64_t>(n) : first.size(k++);
  int64_t total = 0;
  for (size_t i = 0; i < n; i++) {
    const at::Tensor& t = list.get(i);
    if (skipped(t)) continue;
    if (t.device() != first.device() || t.dim() != first.dim()) return false;
    if (!stack && t.suggest_memory_format() != c10::MemoryFormat::Contiguous) return false;
    for (int d = 0; d < t.dim(); d++)
      if (t.size(d) != first.size(d) && (stack || d != dim)) return false;
    if (!stack) total += t.size(dim);
  }
  if (!stack) m.sizes[dim] = total;
  at::Tensor out;
  gems_tensor whole;
  if (r.nouts) {
    out = a[r.outs[0]].toTensor();
    if (out.device() != first.device() || static_cast<int>(out.scalar_type()) != dtype || !fit_out(m, out)) return false;
    writable(out, whole);
    for (size_t i = 0; i < n; i++) {
      gems_tensor t;
      view(list.get(i), t);
      if (overlap(whole, &t, 1) || t.data == whole.data) return false;
    }
  } else {
    out = allocate(m, first.device());
    writable(out, whole);
  }
  const int size = dtype_size(dtype);
  int64_t at = 0;
  for (size_t i = 0; i < n; i++) {
    const at::Tensor& t = list.get(i);
    if (skipped(t)) continue;
    gems_tensor src, dst = whole;
    view(t, src);
    int64_t sizes[kMaxRank], strides[kMaxRank];
    for (int d = 0, k = 0; d < nd; d++) {
      const bool here = stack && d == dim;
      sizes[d] = here ? 1 : src.sizes[k];
      strides[d] = here ? 0 : src.strides[k];
      if (!here) k++;
    }
    const int64_t part = stack ? 1 : sizes[dim];
    src.sizes = sizes;
    src.strides = strides;
    src.ndim = nd;
    dst.sizes = sizes;
    dst.numel = src.numel;
    dst.data = static_cast<char*>(whole.data) + at * whole.strides[dim] * size;
    if (dst.numel != whole.numel) {  // a slice is dense only if everything outside the dimension is one
      bool dense = whole.flags & GEMS_T_CONTIGUOUS;
      for (int d = 0; dense && d < dim; d++) dense = sizes[d] == 1;
      dst.flags = dense ? GEMS_T_CONTIGUOUS : 0;
    }
    at += part;
    if (src.numel && !copy_view(dst, src)) return false;
  }
  finish(r, st, std::move(out));
  return true;
}

}  // namespace gems::torch_binding
