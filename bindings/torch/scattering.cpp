// scatter and its relatives: self[..., idx, ...] = combine(self[..., idx, ...], src[...]), one skeleton.
#include <cstring>
#include <limits>

#include "bindings/torch/indexing.h"
#include "core/backend.h"

namespace gems::torch_binding {

at::Tensor scatter_target(Row& r, c10::IValue* a, const at::Tensor& self) {
  if (r.inplace) return self;
  OutMeta m;
  m.ndim = static_cast<int>(self.dim());
  m.dtype = static_cast<int>(self.scalar_type());
  for (int d = 0; d < m.ndim; d++) m.sizes[d] = self.size(d);
  at::Tensor out;
  if (r.nouts) {
    out = a[r.outs[0]].toTensor();
    if (out.scalar_type() != self.scalar_type() || out.device() != self.device() || !fit_out(m, out)) return {};
    if (out.is_same(self)) return out;
    gems_tensor o, s;
    writable(out, o);
    view(self, s);
    if (overlap(o, &s, 1)) return {};
    if (o.data == s.data) return out;
  } else {
    out = allocate(m, self.device());
  }
  if (self.numel() && !copy_into(out, self)) return {};
  return out;
}

namespace {

constexpr int64_t kZeros[kMaxRank] = {};

// The combination that a name of torch stands for; -1: not ours (mean).
int combine_of(const std::string& name) {
  static constexpr struct {
    const char* name;
    int combine;
  } all[] = {{"add", kAdd}, {"sum", kAdd}, {"multiply", kMul}, {"prod", kMul}, {"amin", kMin}, {"amax", kMax}};
  for (const auto& e : all)
    if (name == e.name) return e.combine;
  return -1;
}

// The number that a combination starts from where self isn't to take part.
gems_tensor identity(int combine, int dtype) {
  gems_tensor v;
  if (combine == kAdd || combine == kMul) {
    number(c10::Scalar(combine == kMul ? 1 : 0), v);
  } else if (dtype == GEMS_BOOL) {
    number(c10::Scalar(combine == kMin), v);
  } else if (dtype_is_float(dtype)) {
    const double inf = std::numeric_limits<double>::infinity();
    number(c10::Scalar(combine == kMax ? -inf : inf), v);
  } else {
    const int bits = 8 * dtype_size(dtype);
    const bool u = dtype == GEMS_U8;
    const int64_t top = static_cast<int64_t>((uint64_t{1} << (u ? bits : bits - 1)) - 1);
    number(c10::Scalar(combine == kMin ? top : u ? int64_t{0} : -top - 1), v);
  }
  return v;
}

at::Tensor one_element(const gems_tensor& value, const at::Tensor& like) {
  at::Tensor t = allocate({}, static_cast<int>(like.scalar_type()), like.device());
  return fill_with(t, value) ? t : at::Tensor();
}
// A number as an operand, if the dtype holds it as torch converts it.
at::Tensor one_element(const c10::IValue& v, const at::Tensor& like) {
  gems_tensor value;
  const int dtype = static_cast<int>(like.scalar_type());
  if (v.isTensor()) {
    const at::Tensor& t = v.toTensor();
    if (t.dim() != 0 || !dtype_is_served(static_cast<int>(t.scalar_type()))) return {};
    if (t.device() == like.device() && t.scalar_type() == like.scalar_type()) return t;
    if (!t.is_cpu() || !number(t, value)) return {};
  } else if (!number(v.toScalar(), value)) {
    return {};
  }
  if (!holds(value.imm, value.dtype, dtype)) return {};
  return one_element(value, like);
}

// c.call.t[1] is src, walked with these strides.
bool scatter_into(IndexCall& c, const at::Tensor& out, int dim, const int64_t* src_strides, int combine, bool include_self) {
  writable(out, c.call.t[0]);
  c.dimension(0, out.stride(dim), out.size(dim));
  for (int d = 0; d < c.rank; d++) {
    c.set(0, d, d == dim ? 0 : out.stride(d));
    c.set(1, d, src_strides[d]);
  }
  if (!include_self) {
    const at::Tensor start = one_element(identity(combine, static_cast<int>(out.scalar_type())), out);
    if (!start.defined()) return false;
    IndexCall first = c;
    view(start, first.call.t[1]);
    for (int d = 0; d < c.rank; d++) first.set(1, d, 0);
    first.scatter(kSet);
    if (!first.run()) return false;
  }
  c.scatter(combine);
  return c.run();
}
bool give(Row& r, torch::jit::Stack& st, const at::Tensor& out) {
  finish(r, st, at::Tensor(out));
  return true;
}

// c's sizes and index are set, its table is `dim` of self; src is walked with these strides. Runs what scatters into the target.
bool put(Row& r, torch::jit::Stack& st, IndexCall& c, const at::Tensor& self, int dim, const at::Tensor& src,
         const int64_t* src_strides, int combine, bool include_self) {
  if (!self.is_cpu() && deterministic()) return false;
  combine = combine_for(self, combine);
  view(src, c.call.t[1]);
  gems_tensor s;
  if (r.inplace || r.nouts) {  // neither src nor the index may be what is written
    const at::Tensor& written = r.inplace ? self : arguments(r, st)[r.outs[0]].toTensor();
    writable(written, s);
    if (overlap(s, c.call.t + 1, c.call.nin) || s.data == c.call.t[1].data || s.data == c.call.t[2].data) return false;
  }
  const at::Tensor out = scatter_target(r, arguments(r, st), self);
  if (!out.defined()) return false;
  // Sums of 16-bit floats on the CPU are kept in float, as torch's are, unless few elements of many change.
  const bool half = self.is_cpu() && (combine == kAdd || combine == kMul) && self.is_floating_point() && self.element_size() == 2;
  int64_t walked = 1;
  for (int d = 0; d < c.rank; d++) walked *= c.sizes[d];
  if (half && walked >= out.numel() / 8) {
    if (combine == kAdd && src.dim()) {
      IndexCall rows = c;
      if (scatter_into(rows, out, dim, src_strides, kAdd | kInFloat, true)) return give(r, st, out);
    }
    const at::Tensor sums = allocate(out.sizes(), GEMS_F32, out.device());
    const at::Tensor wide = allocate(src.sizes(), GEMS_F32, src.device());
    if (!copy_into(sums, out) || !copy_into(wide, src)) return false;
    view(wide, c.call.t[1]);
    return scatter_into(c, sums, dim, src.dim() ? wide.strides().data() : kZeros, combine, include_self) &&
           copy_into(out, sums) && give(r, st, out);
  }
  return scatter_into(c, out, dim, src_strides, combine, include_self) && give(r, st, out);
}
bool served(const at::Tensor& self) {
  return dtype_is_served(static_cast<int>(self.scalar_type())) && self.dim() > 0 && self.dim() <= kMaxRank && self.numel() > 0;
}

}  // namespace

bool handle_scatter(Row& r, torch::jit::Stack& st) {
  // (self, dim, index, src or value, [reduce], [include_self])
  c10::IValue* a = arguments(r, st);
  const at::Tensor &self = a[0].toTensor(), &index = a[2].toTensor();
  const int nd = static_cast<int>(self.dim());
  int64_t dim = a[1].toInt();
  if (!served(self) || index.scalar_type() != c10::kLong || index.device() != self.device() || index.dim() != nd ||
      index.numel() == 0 || dim < -nd || dim >= nd)
    return false;
  if (dim < 0) dim += nd;
  const bool two = r.key[7] == '_' && r.key[8] == 'r', add = r.key[7] == '_' && r.key[8] == 'a';  // scatter_reduce, scatter_add
  const int named = r.nargs - r.nouts > 4 ? combine_of(a[4].toStringRef()) : add ? kAdd : kSet;
  if (named < 0) return false;
  // torch has no products of bool on a GPU: its error stays
  if (self.scalar_type() == c10::kBool && !self.is_cpu() && named != kSet && named != kAdd) return false;
  IndexCall c(r, 1, false);
  view(index, c.call.t[2]);
  c.rank = nd;
  const bool tensor = a[3].isTensor();
  const at::Tensor src = tensor ? a[3].toTensor() : one_element(a[3], self);
  if (!src.defined() || src.scalar_type() != self.scalar_type() || src.device() != self.device()) return false;
  if (tensor && src.dim() != nd) return false;
  for (int d = 0; d < nd; d++) {
    if ((d != dim && index.size(d) > self.size(d)) || (tensor && index.size(d) > src.size(d))) return false;  // torch's error
    c.sizes[d] = index.size(d);
    c.set(2, d, index.stride(d));
  }
  return put(r, st, c, self, static_cast<int>(dim), src, tensor ? src.strides().data() : kZeros, named, !two || a[5].toBool());
}

bool handle_index_put_dim(Row& r, torch::jit::Stack& st) {
  // index_add(self, dim, index, source, alpha), index_copy(self, dim, index, source), index_fill(self, dim, index, value),
  // index_reduce(self, dim, index, source, reduce, include_self)
  c10::IValue* a = arguments(r, st);
  const at::Tensor &self = a[0].toTensor(), &index = a[2].toTensor();
  const int nd = static_cast<int>(self.dim());
  int64_t dim = a[1].toInt();
  const char what = r.key[6];  // index_Add, _Copy, _Fill, _Reduce
  if (!served(self) || !index_dtype(index) || index.device() != self.device() || index.dim() > 1 || index.numel() == 0 ||
      dim < -nd || dim >= nd || (what != 'a' && index.scalar_type() != c10::kLong))
    return false;
  if (dim < 0) dim += nd;
  int combine = what == 'a' ? kAdd : kSet;
  if (what == 'r') combine = self.scalar_type() == c10::kBool ? -1 : combine_of(a[4].toStringRef());
  if (what == 'a') {
    gems_tensor alpha;
    if (!number(a[4].toScalar(), alpha) || (dtype_is_float(alpha.dtype) ? alpha.imm.d != 1 : alpha.imm.i != 1)) return false;
  }
  if (combine < 0) return false;
  IndexCall c(r, 1, what == 'f');
  view(index, c.call.t[2]);
  c.rank = nd;
  const bool fill = what == 'f';
  const at::Tensor src = fill ? one_element(a[3], self) : a[3].toTensor();
  if (!src.defined() || src.scalar_type() != self.scalar_type() || src.device() != self.device()) return false;
  if (!fill && src.dim() != nd) return false;
  for (int d = 0; d < nd; d++) {
    c.sizes[d] = d == dim ? index.numel() : self.size(d);
    if (!fill && src.size(d) != c.sizes[d]) return false;
    c.set(2, d, d == dim && index.dim() ? index.stride(0) : 0);
  }
  return put(r, st, c, self, static_cast<int>(dim), src, fill ? kZeros : src.strides().data(), combine,
             what != 'r' || a[5].toBool());
}

}  // namespace gems::torch_binding
