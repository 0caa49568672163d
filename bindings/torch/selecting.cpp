// Operators of the sort family on dense tensors: unique, isin, searchsorted, bincount, histc. Where the size of
// the result is in the data, a first call leaves it in a workspace.
#include "bindings/torch/handlers.h"
#include "bindings/torch/tensors.h"
#include "core/backend.h"

#include <ATen/ExpandUtils.h>

namespace gems::torch_binding {
namespace {

constexpr int64_t kHeader = 1024;  // bytes of a workspace beside its data

bool served(const at::Tensor& t) { return dtype_is_served(static_cast<int>(t.scalar_type())) && t.dim() <= kMaxRank; }

gems_call call_of(const Row& r, int nout, int nin) {
  gems_call call;
  call.op = r.op;
  call.nout = nout;
  call.nin = nin;
  call.npar = 0;
  call.compute = GEMS_I64;
  call.it.ndim = 1;
  call.it.nred = call.it.contiguous = 0;
  return call;
}

bool launch(gems_call& call) {
  call.it.numel = call.it.size[0] = call.t[call.nout].numel;
  for (int k = 0; k < call.nout + call.nin; k++) call.it.stride[k][0] = 1;
  call.stream = current_stream(call.t[0].device_type, call.t[0].device_index);
  DeviceScope scope(call.t[0].device_type, call.t[0].device_index);
  return done(run(call), call);
}

void view_or_absent(const at::Tensor& t, gems_tensor& g, bool there) {
  if (there) writable(t, g);
  else absent(g);
}

// The out= tensor if it fits (dense), or a fresh one.
bool result_for(const Row& r, c10::IValue* a, c10::IntArrayRef sizes, int dtype, const at::Tensor& input, at::Tensor& out) {
  if (!r.nouts) {
    out = allocate(sizes, dtype, input.device());
    return true;
  }
  OutMeta m;
  m.dtype = dtype;
  for (int64_t s : sizes) m.sizes[m.ndim++] = s;
  out = a[r.outs[0]].toTensor();
  if (static_cast<int>(out.scalar_type()) != dtype || out.device() != input.device() || !fit_out(m, out) || !out.is_contiguous())
    return false;
  gems_tensor o, i;
  view(out, o);
  view(input, i);
  return !overlap(o, &i, 1) && o.data != i.data;
}

// A number as a tensor of one element of `like`'s dtype, if torch would compare in that dtype.
bool tensor_of(const c10::Scalar& s, const at::Tensor& like, at::Tensor& out) {
  if (s.isComplex() || s.isSymbolic() || (s.isFloatingPoint() && !like.is_floating_point())) return false;
  gems_tensor g;
  if (!number(s, g) || !holds(g.imm, g.dtype, static_cast<int>(like.scalar_type()))) return false;
  if (like.scalar_type() == c10::kBool && !s.isBoolean()) return false;
  out = allocate({}, static_cast<int>(like.scalar_type()), like.device());
  return fill_with(out, g);
}

int64_t first_word(const at::Tensor& workspace) { return *static_cast<const int64_t*>(workspace.const_data_ptr()); }

}  // namespace

bool handle_unique(
    Row& r, torch::jit::Stack&
                st) {  // _unique2, _unique (self, sorted, inverse, counts); unique_consecutive (self, inverse, counts, dim)
  c10::IValue* a = arguments(r, st);
  if (r.nouts || !served(a[0].toTensor()) || a[0].toTensor().numel() == 0) return false;
  const bool consecutive = r.dim >= 0;
  if (consecutive && !a[r.dim].isNone()) return false;
  const bool inverse = a[consecutive ? 1 : 2].toBool(), counts = r.nrets > 2 && a[consecutive ? 2 : 3].toBool();
  const at::Tensor x = a[0].toTensor().contiguous();
  const int64_t n = x.numel(), flags = inverse | counts << 1 | consecutive << 2;
  const int64_t element = (x.element_size() == 8 ? 8 : 4) * (inverse ? 2 : 1);
  const at::Tensor workspace = allocate({kHeader + 2 * n * element + 65536}, GEMS_U8, x.device());
  gems_call find = call_of(r, 1, 1);
  find.npar = 2;
  find.par[0].i = 0;
  find.par[1].i = flags;
  writable(workspace, find.t[0]);
  view(x, find.t[1]);
  if (!launch(find)) return false;
  const int64_t m = first_word(workspace);
  at::Tensor out[3] = {allocate({m}, static_cast<int>(x.scalar_type()), x.device()),
                       inverse ? allocate(x.sizes(), GEMS_I64, x.device()) : allocate({0}, GEMS_I64, x.device()),
                       allocate({counts ? m : 0}, GEMS_I64, x.device())};
  gems_call write = call_of(r, 3, 2);
  write.npar = 2;
  write.par[0].i = 1;
  write.par[1].i = flags;
  writable(out[0], write.t[0]);
  view_or_absent(out[1], write.t[1], inverse);
  view_or_absent(out[2], write.t[2], counts);
  view(x, write.t[3]);
  view(workspace, write.t[4]);
  if (!launch(write)) return false;
  st.erase(st.end() - r.nargs, st.end());
  for (int k = 0; k < r.nrets; k++) st.emplace_back(std::move(out[k]));
  return true;
}

bool handle_isin(Row& r, torch::jit::Stack& st) {
  c10::IValue* a = arguments(r, st);
  const at::Tensor& tests = a[1].toTensor();
  at::Tensor elements;
  if (!served(tests) || tests.numel() == 0 || tests.scalar_type() == c10::kBool) return false;
  if (a[0].isTensor()) elements = a[0].toTensor().contiguous();
  else if (!tensor_of(a[0].toScalar(), tests, elements)) return false;
  if (elements.scalar_type() != tests.scalar_type() || elements.device() != tests.device() || elements.numel() == 0) return false;
  const at::Tensor list = tests.contiguous();
  at::Tensor out;
  if (!result_for(r, a, elements.sizes(), GEMS_BOOL, elements, out)) return false;
  gems_call call = call_of(r, 1, 2);
  call.npar = 1;
  call.par[0].i = a[3].toBool();
  writable(out, call.t[0]);
  view(elements, call.t[1]);
  view(list, call.t[2]);
  if (!launch(call)) return false;
  finish(r, st, std::move(out));
  return true;
}

bool handle_searchsorted(Row& r, torch::jit::Stack& st) {
  // searchsorted (bounds, self, out_int32, right, side, sorter), bucketize (self, bounds, out_int32, right); self may be a number
  c10::IValue* a = arguments(r, st);
  const bool search = r.key[0] == 's';
  const c10::IValue& self = a[search ? 1 : 0];
  const at::Tensor& given = a[search ? 0 : 1].toTensor();
  at::Tensor values;
  if (!served(given) || given.numel() == 0 || given.dim() == 0 || given.scalar_type() == c10::kBool) return false;
  if (self.isTensor()) values = self.toTensor().contiguous();
  else if (!tensor_of(self.toScalar(), given, values)) return false;
  if (values.scalar_type() != given.scalar_type() || values.device() != given.device() || values.numel() == 0 || !served(values))
    return false;
  const int64_t m = given.size(-1);
  if (given.dim() > 1) {
    if (!search || given.dim() != values.dim()) return false;
    for (int d = 0; d + 1 < given.dim(); d++)
      if (given.size(d) != values.size(d)) return false;
  }
  bool right = a[3].toBool();
  at::Tensor sorter;
  if (search) {
    if (!a[4].isNone()) {
      const bool side = a[4].toStringRef() == "right";
      if ((!side && (right || a[4].toStringRef() != "left"))) return false;  // torch's error
      right = side;
    }
    if (a[5].isTensor() && a[5].toTensor().defined()) {
      sorter = a[5].toTensor().contiguous();
      if (sorter.scalar_type() != c10::kLong || sorter.sizes() != given.sizes() || sorter.device() != given.device())
        return false;
      if (given.device().type() != c10::DeviceType::CPU) return false;
      const int64_t* s = static_cast<const int64_t*>(sorter.const_data_ptr());
      for (int64_t i = 0; i < sorter.numel(); i++)
        if (s[i] < 0 || s[i] >= m) return false;  // torch's error
    }
  }
  const at::Tensor bounds = given.contiguous();
  at::Tensor out;
  if (!result_for(r, a, values.sizes(), a[2].toBool() ? GEMS_I32 : GEMS_I64, values, out)) return false;
  gems_call call = call_of(r, 1, 3);
  call.npar = 3;
  call.par[0].i = right;
  call.par[1].i = given.dim() > 1 ? values.size(-1) : values.numel();
  call.par[2].i = m;
  writable(out, call.t[0]);
  view(bounds, call.t[1]);
  view(values, call.t[2]);
  view_or_absent(sorter, call.t[3], sorter.defined());
  if (!launch(call)) return false;
  finish(r, st, std::move(out));
  return true;
}

bool handle_bincount(Row& r, torch::jit::Stack& st) {  // (self, weights, minlength)
  c10::IValue* a = arguments(r, st);
  const at::Tensor& self = a[0].toTensor();
  if (self.dim() != 1 || self.numel() == 0 || !dtype_is_int(static_cast<int>(self.scalar_type())) || !a[2].isInt() ||
      a[2].toInt() < 0)
    return false;
  at::Tensor weights = a[1].isTensor() ? a[1].toTensor() : at::Tensor();
  if (weights.defined()) {
    const bool real = weights.scalar_type() == c10::kFloat || weights.scalar_type() == c10::kDouble;
    if (!real || weights.sizes() != self.sizes() || weights.device() != self.device()) return false;
    weights = weights.contiguous();
  }
  const at::Tensor x = self.contiguous(), workspace = allocate({8}, GEMS_I64, x.device());
  gems_call find = call_of(r, 1, 1);
  find.npar = 1;
  find.par[0].i = 0;
  writable(workspace, find.t[0]);
  view(x, find.t[1]);
  if (!launch(find)) return false;
  const int64_t bins = first_word(workspace);
  if (bins < 0) return false;  // torch's error
  at::Tensor out = allocate({std::max(bins, a[2].toInt())},
                            weights.defined() ? static_cast<int>(weights.scalar_type()) : int{GEMS_I64}, x.device());
  gems_call count = call_of(r, 1, 2);
  count.npar = 1;
  count.par[0].i = 1;
  writable(out, count.t[0]);
  view(x, count.t[1]);
  view_or_absent(weights, count.t[2], weights.defined());
  if (!launch(count)) return false;
  finish(r, st, std::move(out));
  return true;
}

bool handle_histc(Row& r, torch::jit::Stack& st) {  // (self, bins, min, max)
  c10::IValue* a = arguments(r, st);
  const at::Tensor& self = a[0].toTensor();
  const c10::Scalar lo = a[2].toScalar(), hi = a[3].toScalar();
  if ((self.scalar_type() != c10::kFloat && self.scalar_type() != c10::kDouble) || self.numel() == 0 || !a[1].isInt() ||
      a[1].toInt() <= 0 || lo.isComplex() || hi.isComplex() || lo.isSymbolic() || hi.isSymbolic() ||
      !(lo.toDouble() <= hi.toDouble()))
    return false;
  const at::Tensor x = self.contiguous();
  at::Tensor out;
  if (!result_for(r, a, {a[1].toInt()}, static_cast<int>(x.scalar_type()), x, out)) return false;
  gems_call call = call_of(r, 1, 1);
  call.npar = 3;
  call.par[0].i = a[1].toInt();
  call.par[1].d = lo.toDouble();
  call.par[2].d = hi.toDouble();
  writable(out, call.t[0]);
  view(x, call.t[1]);
  if (!launch(call)) return false;
  finish(r, st, std::move(out));
  return true;
}

}  // namespace gems::torch_binding
