// flip, roll, reflection and replication pads with their gradients, unfold's gradient: the map family.
#include "bindings/torch/handlers.h"
#include "bindings/torch/tensors.h"
#include "core/backend.h"

namespace gems::torch_binding {
namespace {

enum Mode { kWrap, kClamp, kReflect, kUnfold };

// A dimension of what is walked (the result): its size, both strides, how its coordinate is moved and the other operand's size.
struct Axis {
  int64_t size, to, from, shift, other, inner = 0, length = 0;
  bool plain() const { return shift == 0 && size == other; }
};

// t[0] and t[1] are set. Dimensions go in the order of the result's strides; plain neighbours that nest in both operands are one.
bool run_map(Row& r, gems_call& call, Axis* axis, int nd, Mode mode, bool fold) {
  gems_iter& it = call.it;
  for (int i = 1; i < nd; i++)
    for (int k = i; k > 0 && axis[k - 1].to < axis[k].to; k--) std::swap(axis[k - 1], axis[k]);
  it.ndim = 0;
  it.nred = it.contiguous = 0;
  it.numel = 1;
  int before = -1;  // the axis that was written last
  for (int i = 0; i < nd; i++) {
    const Axis& a = axis[i];
    it.numel *= a.size;
    if (a.size == 1 && a.plain() && (i + 1 < nd || it.ndim)) continue;
    const bool merges = before >= 0 && a.plain() && axis[before].plain() && it.stride[0][it.ndim - 1] == a.to * a.size &&
                        it.stride[1][it.ndim - 1] == a.from * a.size;
    if (!merges && it.ndim == GEMS_MAX_DIMS) return false;
    const int d = merges ? it.ndim - 1 : it.ndim++;
    it.size[d] = merges ? it.size[d] * a.size : a.size;
    const int64_t values[] = {a.to, a.from, a.shift, merges ? it.size[d] : a.other, a.inner, a.length};
    for (int k = 0; k < 6; k++) it.stride[k][d] = values[k];
    before = i;
  }
  if (it.ndim == 0) return false;
  call.op = r.op;
  call.nout = call.nin = 1;
  call.npar = 2;
  call.par[0].i = mode;
  call.par[1].i = fold;
  call.compute = call.t[0].dtype == GEMS_F64 ? GEMS_F64 : GEMS_F32;
  call.stream = current_stream(call.t[0].device_type, call.t[0].device_index);
  DeviceScope scope(call.t[0].device_type, call.t[0].device_index);
  return done(run(call), call);
}

bool served(const at::Tensor& t) {
  return dtype_is_served(static_cast<int>(t.scalar_type())) && t.dim() > 0 && t.dim() <= kMaxRank && t.numel() > 0;
}

// The result: out= or a new tensor of these sizes.
at::Tensor result(Row& r, c10::IValue* a, const at::Tensor& self, const int64_t* sizes) {
  OutMeta m;
  m.ndim = static_cast<int>(self.dim());
  m.dtype = static_cast<int>(self.scalar_type());
  for (int d = 0; d < m.ndim; d++) m.sizes[d] = sizes[d];
  if (!r.nouts) return allocate(m, self.device());
  at::Tensor out = a[r.outs[0]].toTensor();
  gems_tensor o, s;
  if (out.scalar_type() != self.scalar_type() || out.device() != self.device() || !fit_out(m, out)) return {};
  writable(out, o);
  view(self, s);
  return overlap(o, &s, 1) || o.data == s.data ? at::Tensor() : out;
}

// -1: torch's error
int64_t wrapped(int64_t dim, int64_t nd) { return dim < -nd || dim >= nd ? -1 : dim < 0 ? dim + nd : dim; }

}  // namespace

bool handle_flip(Row& r, torch::jit::Stack& st) {
  c10::IValue* a = arguments(r, st);
  const at::Tensor& self = a[0].toTensor();
  if (!served(self)) return false;
  uint64_t flipped = 0;
  for (int64_t d : a[1].toIntVector()) {
    d = wrapped(d, self.dim());
    if (d < 0 || flipped >> d & 1) return false;
    flipped |= uint64_t{1} << d;
  }
  gems_call call;
  view(self, call.t[1]);
  OutMeta m;
  call.op = op_find("copy");
  call.nout = call.nin = 1;
  call.npar = 0;
  if (plan_pointwise(call, {}, m) != Plan::ok) return false;  // self's layout
  m.dtype = call.t[1].dtype;
  at::Tensor out = allocate(m, self.device());
  writable(out, call.t[0]);
  Axis axis[kMaxRank];
  int64_t first = 0;
  for (int d = 0; d < self.dim(); d++) {
    const bool back = flipped >> d & 1;
    if (back) first += (self.size(d) - 1) * self.stride(d);
    axis[d] = {self.size(d), out.stride(d), back ? -self.stride(d) : self.stride(d), 0, self.size(d)};
  }
  call.t[1].data = static_cast<char*>(call.t[1].data) + first * dtype_size(m.dtype);
  if (!run_map(r, call, axis, static_cast<int>(self.dim()), kWrap, false)) return false;
  finish(r, st, std::move(out));
  return true;
}

bool handle_roll(Row& r, torch::jit::Stack& st) {
  c10::IValue* a = arguments(r, st);
  const at::Tensor& self = a[0].toTensor();
  if (!served(self)) return false;
  const auto shifts = a[1].toIntVector(), dims = a[2].toIntVector();
  if (dims.empty() && (shifts.size() != 1 || !self.is_contiguous())) return false;
  if (!dims.empty() && dims.size() != shifts.size()) return false;
  gems_call call;
  at::Tensor out = allocate(self.sizes(), static_cast<int>(self.scalar_type()), self.device());
  writable(out, call.t[0]);
  view(self, call.t[1]);
  Axis axis[kMaxRank];
  const int nd = dims.empty() ? 1 : static_cast<int>(self.dim());
  if (dims.empty()) {
    axis[0] = {self.numel(), 1, 1, shifts[0], self.numel()};
  } else {
    for (int d = 0; d < nd; d++) axis[d] = {self.size(d), out.stride(d), self.stride(d), 0, self.size(d)};
    for (size_t i = 0; i < dims.size(); i++) {
      const int64_t d = wrapped(dims[i], nd);
      if (d < 0) return false;
      axis[d].shift = axis[d].shift + shifts[i] % axis[d].size;
    }
  }
  for (int d = 0; d < nd; d++) axis[d].shift = (axis[d].shift % axis[d].size + axis[d].size) % axis[d].size;
  if (!run_map(r, call, axis, nd, kWrap, false)) return false;
  finish(r, st, std::move(out));
  return true;
}

bool handle_pad(Row& r, torch::jit::Stack& st) {
  // reflection_padNd, replication_padNd (self, padding) and their gradients (grad_output, self, padding)
  c10::IValue* a = arguments(r, st);
  const bool back = r.op->par == 1, reflect = r.key[2] == 'f';
  const at::Tensor &self = a[back ? 1 : 0].toTensor(), &grad = a[0].toTensor();
  const auto padding = a[back ? 2 : 1].toIntVector();
  const int nd = static_cast<int>(self.dim()), padded = r.key[r.key.find("_pad") + 4] - '0';
  if (!served(self) || self.scalar_type() == c10::kBool || (nd != padded + 1 && nd != padded + 2) ||
      padding.size() != 2 * static_cast<size_t>(padded))
    return false;
  if (self.suggest_memory_format() != c10::MemoryFormat::Contiguous) return false;  // torch keeps such layouts
  int64_t sizes[kMaxRank], front[kMaxRank] = {};
  for (int d = 0; d < nd; d++) {
    const int k = 2 * (nd - 1 - d);
    const bool here = nd - 1 - d < padded;
    const int64_t n = self.size(d), before = here ? padding[k] : 0, behind = here ? padding[k + 1] : 0;
    if (before < 0 || behind < 0 || (reflect && (before >= n || behind >= n))) return false;
    sizes[d] = n + before + behind;
    front[d] = before;
  }
  if (back) {
    if (grad.dim() != nd || grad.scalar_type() != self.scalar_type() || grad.device() != self.device() ||
        !self.is_floating_point())
      return false;
    for (int d = 0; d < nd; d++)
      if (grad.size(d) != sizes[d]) return false;
  }
  const at::Tensor& in = back ? grad : self;
  at::Tensor out = result(r, a, in, back ? self.sizes().data() : sizes);
  if (!out.defined()) return false;
  gems_call call;
  writable(out, call.t[0]);
  view(in, call.t[1]);
  Axis axis[kMaxRank];
  for (int d = 0; d < nd; d++) axis[d] = {out.size(d), out.stride(d), in.stride(d), front[d], in.size(d)};
  if (!run_map(r, call, axis, nd, reflect ? kReflect : kClamp, back)) return false;
  finish(r, st, std::move(out));
  return true;
}

bool handle_unfold_backward(Row& r, torch::jit::Stack& st) {
  // (grad_in, input_sizes, dim, size, step): grad_in has the windows at dim and their elements behind all
  c10::IValue* a = arguments(r, st);
  const at::Tensor& grad = a[0].toTensor();
  const auto sizes = a[1].toIntVector();
  const int nd = static_cast<int>(sizes.size());
  const int64_t dim = nd ? wrapped(a[2].toInt(), nd) : -1, size = a[3].toInt(), step = a[4].toInt();
  if (!served(grad) || dim < 0 || grad.dim() != nd + 1 || size <= 0 || step <= 0 || !grad.is_floating_point()) return false;
  if (grad.size(nd) != size || sizes[dim] < size || grad.size(dim) != (sizes[dim] - size) / step + 1) return false;
  OutMeta m;
  m.ndim = nd;
  m.dtype = static_cast<int>(grad.scalar_type());
  for (int d = 0; d < nd; d++) {
    if (sizes[d] <= 0 || (d != dim && sizes[d] != grad.size(d))) return false;
    m.sizes[d] = sizes[d];
  }
  at::Tensor out = allocate(m, grad.device());
  gems_call call;
  writable(out, call.t[0]);
  view(grad, call.t[1]);
  Axis axis[kMaxRank];
  for (int d = 0; d < nd; d++) {
    axis[d] = {sizes[d], out.stride(d), grad.stride(d), 0, sizes[d]};
    if (d == dim) axis[d] = {sizes[d], out.stride(d), grad.stride(d), step, grad.size(d), grad.stride(nd), size};
  }
  if (!run_map(r, call, axis, nd, kUnfold, true)) return false;
  finish(r, st, std::move(out));
  return true;
}

}  // namespace gems::torch_binding
