// x[i, j, ...] and x[i, j, ...] = v with index tensors and masks, as NumPy's advanced indexing: gather and scatter with several indices.
#include "bindings/torch/indexing.h"
#include "bindings/torch/pointwise.h"
#include "core/backend.h"

namespace gems::torch_binding {
namespace {

// The indices as tensors that broadcast against each other, masks as the positions where they are true.
struct Indices {
  at::Tensor t[kMaxIndices];
  int at[kMaxIndices];  // dimension of self
  int n = 0;
  int rank = 0;  // of their common shape
  int64_t shape[kMaxRank];
  bool adjacent = true;
};

bool expand_mask(const at::Tensor& mask, const at::Tensor& self, int& dim, Indices& x) {
  const int nd = static_cast<int>(mask.dim());
  if (nd == 0 || x.n + nd > kMaxIndices || dim + nd > self.dim()) return false;
  for (int d = 0; d < nd; d++)
    if (mask.size(d) != self.size(dim + d)) return false;  // torch's error
  static auto nonzero =
      c10::Dispatcher::singleton().findSchemaOrThrow("aten::nonzero", "").typed<at::Tensor(const at::Tensor&)>();
  const at::Tensor positions = nonzero.call(mask);
  for (int d = 0; d < nd; d++) {
    x.at[x.n] = dim++;
    x.t[x.n++] = positions.select(1, d);
  }
  return true;
}

bool collect(const c10::List<std::optional<at::Tensor>>& list, const at::Tensor& self, Indices& x) {
  int dim = 0;
  for (size_t i = 0; i < list.size(); i++) {
    const std::optional<at::Tensor> given = list.get(i);
    if (!given || !given->defined()) {
      dim++;
      continue;
    }
    const at::Tensor& t = *given;
    if (t.device() != self.device()) return false;
    if (t.scalar_type() == c10::kBool) {
      if (!expand_mask(t, self, dim, x)) return false;
      continue;
    }
    if (!index_dtype(t) || x.n == kMaxIndices) return false;
    x.at[x.n] = dim++;
    x.t[x.n++] = t;
  }
  if (x.n == 0 || dim > self.dim()) return false;
  for (int k = 0; k < x.n; k++) {
    if (x.t[k].scalar_type() != x.t[0].scalar_type()) return false;
    x.rank = std::max(x.rank, static_cast<int>(x.t[k].dim()));
    x.adjacent = x.adjacent && (k == 0 || x.at[k] == x.at[k - 1] + 1);
  }
  if (x.rank + self.dim() - x.n > kMaxRank) return false;
  for (int d = 0; d < x.rank; d++) {
    x.shape[d] = 1;
    for (int k = 0; k < x.n; k++) {
      const int own = d - (x.rank - static_cast<int>(x.t[k].dim()));
      if (own < 0 || x.t[k].size(own) == 1) continue;
      if (x.shape[d] != 1 && x.shape[d] != x.t[k].size(own)) return false;  // torch's error
      x.shape[d] = x.t[k].size(own);
    }
  }
  return true;
}

// Sizes of the result, strides of the table (t[base]) and of the indices: dimensions of self that aren't indexed keep their order, those
// of the indices stand where the first of them is if all are neighbours, else in front.
bool lay_out(IndexCall& c, const Indices& x, const at::Tensor& self, int base) {
  c.rank = 0;
  auto shape = [&] {
    for (int d = 0; d < x.rank; d++, c.rank++) {
      c.sizes[c.rank] = x.shape[d];
      c.set(base, c.rank, 0);
      for (int k = 0; k < x.n; k++) {
        const int own = d - (x.rank - static_cast<int>(x.t[k].dim()));
        c.set(2 + k, c.rank, own < 0 || x.t[k].size(own) == 1 ? 0 : x.t[k].stride(own));
      }
    }
  };
  if (!x.adjacent) shape();
  for (int d = 0, k = 0; d < self.dim(); d++) {
    if (k < x.n && x.at[k] == d) {
      if (self.size(d) == 0) return false;  // torch's error, if anything is looked up
      if (k == 0 && x.adjacent) shape();
      c.dimension(k, self.stride(d), self.size(d));
      k++;
      continue;
    }
    c.sizes[c.rank] = self.size(d);
    c.set(base, c.rank, self.stride(d));
    for (int i = 0; i < x.n; i++) c.set(2 + i, c.rank, 0);
    c.rank++;
  }
  for (int k = 0; k < x.n; k++) view(x.t[k], c.call.t[2 + k]);
  return true;
}

bool usable(const at::Tensor& self) {
  return dtype_is_served(static_cast<int>(self.scalar_type())) && self.dim() > 0 && self.dim() <= kMaxRank;
}

// x[mask] = number: no positions are needed.
bool fill_masked(Row& r, torch::jit::Stack& st, const c10::List<std::optional<at::Tensor>>& list, const at::Tensor& values) {
  c10::IValue* a = arguments(r, st);
  const at::Tensor& self = a[0].toTensor();
  if (values.numel() != 1 || values.dim() != 0 || !r.inplace || values.scalar_type() != self.scalar_type()) return false;
  at::Tensor mask;
  for (size_t i = 0; i < list.size(); i++) {
    const std::optional<at::Tensor> t = list.get(i);
    if (!t || !t->defined() || i) return false;  // only a mask over the leading dimensions
    mask = *t;
  }
  if (!mask.defined() || mask.scalar_type() != c10::kBool || mask.dim() == 0 || mask.dim() > self.dim() ||
      mask.device() != self.device())
    return false;
  for (int64_t d = 0; d < mask.dim(); d++)
    if (mask.size(d) != self.size(d)) return false;
  for (int64_t d = mask.dim(); d < self.dim(); d++) mask = mask.unsqueeze(-1);
  gems_call call;
  call.op = op_find("masked_fill");
  call.nout = 1;
  call.nin = 3;
  call.npar = 0;
  const at::Tensor* operands[3] = {&self, &mask, &values};
  at::Tensor none;
  if (!run_pointwise(call, operands, nullptr, &self, true, none)) return false;
  finish(r, st, at::Tensor(self));
  return true;
}

}  // namespace

bool handle_index(Row& r, torch::jit::Stack& st) {
  c10::IValue* a = arguments(r, st);
  const at::Tensor& self = a[0].toTensor();
  Indices x;
  if (!usable(self) || !collect(a[1].toOptionalTensorList(), self, x)) return false;
  IndexCall c(r, x.n, true);
  if (!lay_out(c, x, self, 1)) return false;
  OutMeta m;
  m.ndim = c.rank;
  m.dtype = static_cast<int>(self.scalar_type());
  for (int d = 0; d < c.rank; d++) m.sizes[d] = c.sizes[d];
  view(self, c.call.t[1]);
  at::Tensor out;
  if (r.nouts) {
    out = a[r.outs[0]].toTensor();
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

bool handle_index_put(Row& r, torch::jit::Stack& st) {
  // (self, indices, values, accumulate, [unsafe])
  c10::IValue* a = arguments(r, st);
  const at::Tensor &self = a[0].toTensor(), &values = a[2].toTensor();
  const bool accumulate = a[3].toBool();
  const auto list = a[1].toOptionalTensorList();
  if (!usable(self) || self.numel() == 0) return false;
  if (!accumulate && fill_masked(r, st, list, values)) return true;
  const int combine = combine_for(self, accumulate ? kAdd : kSet);
  Indices x;
  if (values.scalar_type() != self.scalar_type() || values.device() != self.device()) return false;
  // torch's GPU kernel adds in the order of the indices; sums of integers are the same in any order, those of floats are left to it.
  if (!self.is_cpu() && (deterministic() || (accumulate && self.is_floating_point()))) return false;
  if (!collect(list, self, x)) return false;
  IndexCall c(r, x.n, true);
  if (!lay_out(c, x, self, 0)) return false;
  const int off = c.rank - static_cast<int>(values.dim());
  if (off < 0) return false;
  for (int d = 0; d < c.rank; d++) {
    const int own = d - off;
    if (own >= 0 && values.size(own) != 1 && values.size(own) != c.sizes[d]) return false;  // torch's error
    c.set(1, d, own < 0 || values.size(own) == 1 ? 0 : values.stride(own));
  }
  view(values, c.call.t[1]);
  if (r.inplace) {
    gems_tensor s;
    writable(self, s);
    if (overlap(s, c.call.t + 1, c.call.nin)) return false;
    for (int k = 1; k < 1 + c.call.nin; k++)
      if (s.data == c.call.t[k].data) return false;
  }
  const at::Tensor out = scatter_target(r, a, self);
  if (!out.defined()) return false;
  writable(out, c.call.t[0]);
  if (!r.inplace) lay_out(c, x, out, 0);  // the same shape, strides of its own
  c.scatter(combine);
  if (!c.run()) return false;
  finish(r, st, at::Tensor(out));
  return true;
}

}  // namespace gems::torch_binding
