// repeat, constant_pad_nd: copies into parts of a new tensor. They run on rows of their own for the memory of the result, which torch's
// composition would take fresh from the system: 64 MiB cost 31 ms of page faults beside 6 ms of copying.
#include "bindings/torch/handlers.h"
#include "bindings/torch/tensors.h"
#include "core/backend.h"

namespace gems::torch_binding {
namespace {

bool served(const at::Tensor& t) {
  const auto d = t.device().type();
  return dtype_is_served(static_cast<int>(t.scalar_type())) && (d == c10::DeviceType::CPU || d == c10::DeviceType::CUDA) &&
         t.numel() > 0;
}

// A part of a tensor in gems_tensor's terms.
struct Part {
  int64_t sizes[kMaxRank], strides[kMaxRank];
  int nd = 0;
  void add(int64_t size, int64_t stride) {
    sizes[nd] = size;
    strides[nd++] = stride;
  }
  gems_tensor of(const gems_tensor& whole, int64_t first) const {
    gems_tensor t = whole;
    t.data = static_cast<char*>(whole.data) + first * dtype_size(whole.dtype);
    t.sizes = sizes;
    t.strides = strides;
    t.ndim = nd;
    t.numel = 1;
    t.flags = 0;
    for (int d = 0; d < nd; d++) t.numel *= sizes[d];
    return t;
  }
};

}  // namespace

bool handle_repeat(Row& r, torch::jit::Stack& st) {
  c10::IValue* a = arguments(r, st);
  const at::Tensor& self = a[0].toTensor();
  const auto times = a[1].toIntVector();
  const int nd = static_cast<int>(times.size()), off = nd - static_cast<int>(self.dim());
  if (!served(self) || nd == 0 || off < 0 || nd > kMaxRank) return false;
  OutMeta m;
  m.ndim = nd;
  m.dtype = static_cast<int>(self.scalar_type());
  int parts = nd;
  for (int d = 0; d < nd; d++) {
    if (times[d] <= 0) return false;
    m.sizes[d] = times[d] * (d < off ? 1 : self.size(d - off));
    parts += times[d] > 1;
  }
  if (parts > kMaxRank) return false;
  at::Tensor out = allocate(m, self.device());
  gems_tensor o, s;
  writable(out, o);
  view(self, s);
  Part to, from;
  for (int d = 0; d < nd; d++) {
    const int64_t n = d < off ? 1 : self.size(d - off);
    if (times[d] > 1) {
      to.add(times[d], n * out.stride(d));
      from.add(times[d], 0);
    }
    to.add(n, out.stride(d));
    from.add(n, d < off ? 0 : self.stride(d - off));
  }
  if (!copy_view(to.of(o, 0), from.of(s, 0))) return false;
  finish(r, st, std::move(out));
  return true;
}

bool handle_constant_pad(Row& r, torch::jit::Stack& st) {
  c10::IValue* a = arguments(r, st);
  const at::Tensor& self = a[0].toTensor();
  const auto pad = a[1].toIntVector();
  const int nd = static_cast<int>(self.dim());
  if (!served(self) || nd == 0 || nd > kMaxRank || pad.size() % 2 || pad.size() > 2 * static_cast<size_t>(nd)) return false;
  if (self.suggest_memory_format() != c10::MemoryFormat::Contiguous) return false;  // torch keeps such layouts
  gems_tensor value;
  OutMeta m;
  m.ndim = nd;
  m.dtype = static_cast<int>(self.scalar_type());
  if (!number(a[2].toScalar(), value) || !holds(value.imm, value.dtype, m.dtype)) return false;
  if (!dtype_is_float(m.dtype) && dtype_is_float(value.dtype)) return false;
  int64_t front[kMaxRank] = {}, behind[kMaxRank] = {};
  for (int d = 0; d < nd; d++) {
    const size_t k = 2 * static_cast<size_t>(nd - 1 - d);
    if (k < pad.size()) {
      front[d] = pad[k];
      behind[d] = pad[k + 1];
    }
    if (front[d] < 0 || behind[d] < 0) return false;
    m.sizes[d] = self.size(d) + front[d] + behind[d];
  }
  at::Tensor out = allocate(m, self.device());
  gems_tensor o, s;
  writable(out, o);
  view(self, s);
  int64_t first = 0;
  Part inner;
  for (int d = 0; d < nd; d++) {
    first += front[d] * out.stride(d);
    inner.add(self.size(d), out.stride(d));
  }
  if (!out.is_cpu()) {
    if (!fill_with(out, value)) return false;  // one launch instead of two for each dimension
  } else {
    int64_t before = 0;  // offset of the inner part of the dimensions in front of d
    for (int d = 0; d < nd; d++) {
      for (int end = 0; end < 2; end++) {
        Part edge;
        for (int e = 0; e < nd; e++)
          edge.add(e < d ? self.size(e) : e > d ? m.sizes[e] : end ? behind[d] : front[d], out.stride(e));
        const gems_tensor t = edge.of(o, before + (end ? (m.sizes[d] - behind[d]) * out.stride(d) : 0));
        if (t.numel && !fill_view(t, value)) return false;
      }
      before += front[d] * out.stride(d);
    }
  }
  if (!copy_view(inner.of(o, first), s)) return false;
  finish(r, st, std::move(out));
  return true;
}

}  // namespace gems::torch_binding
