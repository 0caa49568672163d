// nonzero, masked_select, masked_scatter: a call that marks and counts, then, as the output's size is known, one that writes.
#include "bindings/torch/handlers.h"
#include "bindings/torch/tensors.h"
#include "core/backend.h"

namespace gems::torch_binding {
namespace {

bool run_phase(Row& r, gems_call& call, int phase) {
  call.op = r.op;
  call.nout = 1;
  call.nin = phase ? 2 : 1;
  call.npar = 1;
  call.par[0].i = phase;
  call.compute = GEMS_I64;
  call.stream = current_stream(call.t[0].device_type, call.t[0].device_index);
  DeviceScope scope(call.t[0].device_type, call.t[0].device_index);
  return done(run(call), call);
}

bool served(const at::Tensor& t) {
  return dtype_is_served(static_cast<int>(t.scalar_type())) && t.dim() <= kMaxRank && t.numel() > 0;
}

// A dense copy where it isn't one; undefined if that isn't possible.
at::Tensor dense(const at::Tensor& t) {
  if (t.is_contiguous()) return t;
  at::Tensor copy = allocate(t.sizes(), static_cast<int>(t.scalar_type()), t.device());
  return copy_into(copy, t) ? copy : at::Tensor();
}

// One bit an element, then how many are set in front of each 4096 elements, and in all (backends/cpu/compact.cpp).
at::Tensor marks_of(Row& r, const at::Tensor& mask) {
  const int64_t n = mask.numel();
  at::Tensor marks = allocate({(n + 63) / 64 + (n + 4095) / 4096 + 1}, GEMS_I64, mask.device());
  gems_call call;
  writable(marks, call.t[0]);
  view(mask, call.t[1]);
  return run_phase(r, call, 0) ? marks : at::Tensor();
}
int64_t total_of(const at::Tensor& marks) {
  return marks.is_cpu() ? static_cast<const int64_t*>(marks.const_data_ptr())[marks.numel() - 1]
                        : marks.select(0, marks.numel() - 1).item().toLong();
}

// `out` gets the result where it is a fresh tensor, a copy of it where it was given.
bool give(Row& r, torch::jit::Stack& st, at::Tensor result) {
  if (!r.nouts) {
    finish(r, st, std::move(result));
    return true;
  }
  const at::Tensor out = arguments(r, st)[r.outs[0]].toTensor();
  OutMeta m;
  m.ndim = static_cast<int>(result.dim());
  for (int d = 0; d < m.ndim; d++) m.sizes[d] = result.size(d);
  if (!fit_out(m, out) || (result.numel() && !copy_into(out, result))) return false;
  finish(r, st, at::Tensor(out));
  return true;
}

// An out= that the result is copied into: of its dtype and device, and no part of an operand.
bool usable_out(Row& r, c10::IValue* a, int dtype, const at::Tensor& x, const at::Tensor& y) {
  if (!r.nouts) return true;
  const at::Tensor& out = a[r.outs[0]].toTensor();
  if (static_cast<int>(out.scalar_type()) != dtype || out.device() != x.device()) return false;
  gems_tensor o, in[2];
  view(out, o);
  view(x, in[0]);
  view(y, in[1]);
  return out.numel() == 0 || (!overlap(o, in, 2) && o.data != in[0].data && o.data != in[1].data);
}

bool broadcast(const at::Tensor& a, const at::Tensor& b, OutMeta& m) {
  m.ndim = static_cast<int>(std::max(a.dim(), b.dim()));
  for (int d = 0; d < m.ndim; d++) {
    m.sizes[d] = 1;
    for (const at::Tensor* t : {&a, &b}) {
      const int64_t own = d - (m.ndim - t->dim());
      if (own < 0 || t->size(own) == 1) continue;
      if (m.sizes[d] != 1 && m.sizes[d] != t->size(own)) return false;
      m.sizes[d] = t->size(own);
    }
  }
  return true;
}

}  // namespace

bool handle_nonzero(Row& r, torch::jit::Stack& st) {
  c10::IValue* a = arguments(r, st);
  const at::Tensor& self = a[0].toTensor();
  if (!served(self) || self.dim() == 0 || !usable_out(r, a, GEMS_I64, self, self)) return false;
  const at::Tensor mask = dense(self);
  if (!mask.defined()) return false;
  const at::Tensor marks = marks_of(r, mask);
  if (!marks.defined()) return false;
  const int64_t total = total_of(marks);
  const at::Tensor out = allocate({self.dim(), total}, GEMS_I64, self.device());
  if (total) {
    gems_call call;
    writable(out, call.t[0]);
    view(marks, call.t[1]);
    view(mask, call.t[2]);
    if (!run_phase(r, call, 1)) return false;
  }
  return give(r, st, out.t());
}

bool handle_masked_select(Row& r, torch::jit::Stack& st) {
  c10::IValue* a = arguments(r, st);
  const at::Tensor &self = a[0].toTensor(), &mask = a[1].toTensor();
  OutMeta m;
  if (!served(self) || !served(mask) || mask.scalar_type() != c10::kBool || mask.device() != self.device() ||
      !broadcast(self, mask, m) || !usable_out(r, a, static_cast<int>(self.scalar_type()), self, mask))
    return false;
  const c10::IntArrayRef sizes(m.sizes, m.ndim);
  const at::Tensor where = dense(mask.expand(sizes)), from = dense(self.expand(sizes));
  if (!where.defined() || !from.defined()) return false;
  const at::Tensor marks = marks_of(r, where);
  if (!marks.defined()) return false;
  const int64_t total = total_of(marks);
  const at::Tensor out = allocate({total}, static_cast<int>(self.scalar_type()), self.device());
  if (total) {
    gems_call call;
    writable(out, call.t[0]);
    view(marks, call.t[1]);
    view(from, call.t[2]);
    if (!run_phase(r, call, 1)) return false;
  }
  return give(r, st, out);
}

bool handle_masked_scatter(Row& r, torch::jit::Stack& st) {
  c10::IValue* a = arguments(r, st);
  const at::Tensor &self = a[0].toTensor(), &mask = a[1].toTensor(), &source = a[2].toTensor();
  OutMeta m;
  if (!served(self) || !served(mask) || source.numel() == 0 || mask.scalar_type() != c10::kBool ||
      mask.device() != self.device() || source.device() != self.device() || source.scalar_type() != self.scalar_type() ||
      !broadcast(self, mask, m))
    return false;
  const c10::IntArrayRef sizes(m.sizes, m.ndim);
  if (r.inplace && (sizes != self.sizes() || !self.is_contiguous())) return false;
  const at::Tensor where = dense(mask.expand(sizes)), from = dense(source);
  if (!where.defined() || !from.defined()) return false;
  gems_tensor in[2];
  gems_call call;
  writable(self, call.t[0]);
  view(where, in[0]);
  view(from, in[1]);
  if (r.inplace && (overlap(call.t[0], in, 2) || call.t[0].data == in[0].data || call.t[0].data == in[1].data)) return false;
  const at::Tensor marks = marks_of(r, where);
  if (!marks.defined() || (self.is_cpu() && total_of(marks) > source.numel())) return false;  // torch's error
  at::Tensor out = self;
  if (!r.inplace) {
    out = allocate(sizes, static_cast<int>(self.scalar_type()), self.device());
    if (!copy_into(out, self)) return false;
  }
  writable(out, call.t[0]);
  view(marks, call.t[1]);
  view(from, call.t[2]);
  if (!run_phase(r, call, 1)) return false;
  finish(r, st, std::move(out));
  return true;
}

bool handle_repeat_interleave(Row& r, torch::jit::Stack& st) {
  // (repeats, output_size): t = out, sums of repeats
  c10::IValue* a = arguments(r, st);
  const at::Tensor& repeats = a[0].toTensor();
  if (repeats.dim() != 1 || repeats.numel() == 0 || repeats.scalar_type() != c10::kLong || r.nouts) return false;
  at::Tensor sums;
  int64_t total = 0;
  if (repeats.is_cpu()) {
    sums = allocate({repeats.numel()}, GEMS_I64, repeats.device());
    const int64_t* from = static_cast<const int64_t*>(repeats.const_data_ptr());
    int64_t* to = static_cast<int64_t*>(sums.mutable_data_ptr());
    for (int64_t i = 0, n = repeats.numel(), step = repeats.stride(0); i < n; i++) {
      if (from[i * step] < 0) return false;  // torch's error
      to[i] = total += from[i * step];
    }
  } else {
    if (repeats.lt(0).any().item().toBool()) return false;
    sums = repeats.cumsum(0);
    total = sums.select(0, sums.numel() - 1).item().toLong();
  }
  if (!sums.is_contiguous() || (!a[1].isNone() && a[1].toInt() != total)) return false;
  at::Tensor out = allocate({total}, GEMS_I64, repeats.device());
  if (total) {
    gems_call call;
    call.op = r.op;
    call.nout = call.nin = 1;
    call.npar = 1;
    call.par[0].i = 1;
    call.compute = GEMS_I64;
    writable(out, call.t[0]);
    view(sums, call.t[1]);
    call.stream = current_stream(call.t[0].device_type, call.t[0].device_index);
    DeviceScope scope(call.t[0].device_type, call.t[0].device_index);
    if (!done(run(call), call)) return false;
  }
  finish(r, st, std::move(out));
  return true;
}

}  // namespace gems::torch_binding
