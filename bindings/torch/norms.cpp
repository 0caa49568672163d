// Norms over channels (batch, group) and weights. Batch and group norm: statistics by a reduction, a few numbers for each channel made of
// them here, then one pass over the elements (ops/row/channel_*.op.h). Here means the CPU: on CUDA that would be launches in between,
// and the native kernels (cuDNN's for training) stay.
#include <algorithm>
#include <cmath>
#include <vector>

#include "bindings/torch/handlers.h"
#include "bindings/torch/tensors.h"
#include "core/backend.h"
#include "core/tune/online.h"

namespace gems::torch_binding {
namespace {

using at::Tensor;
using Numbers = std::vector<double>;

Tensor given(const c10::IValue& v) { return v.isTensor() ? v.toTensor() : Tensor(); }
bool is_float(const Tensor& t) {
  const auto s = t.scalar_type();
  return s == c10::kFloat || s == c10::kDouble || s == c10::kHalf || s == c10::kBFloat16;
}
template <class F> void with_elements(const Tensor& t, F f) {
  switch (t.scalar_type()) {
    case c10::kDouble: return f(static_cast<double*>(t.data_ptr()));
    case c10::kHalf: return f(static_cast<c10::Half*>(t.data_ptr()));
    case c10::kBFloat16: return f(static_cast<c10::BFloat16*>(t.data_ptr()));
    default: return f(static_cast<float*>(t.data_ptr()));
  }
}
// The elements of a contiguous tensor; `value` where none was given.
Numbers read(const Tensor& t, int64_t n, double value) {
  Numbers v(static_cast<size_t>(n), value);
  if (t.defined())
    with_elements(t, [&](auto* p) {
      for (int64_t i = 0; i < n; i++) v[static_cast<size_t>(i)] = static_cast<double>(p[i]);
    });
  return v;
}
void write(const Tensor& t, const Numbers& v) {
  with_elements(t, [&](auto* p) {
    for (size_t i = 0; i < v.size(); i++) p[i] = static_cast<std::remove_reference_t<decltype(*p)>>(v[i]);
  });
}

// Where the native kernels are as fast or faster they stay (one thread of a shared AVX-512 server, native / ours in ms): channels-last
// (8x64x56x56 float32: training 0.74 / 0.96, inference 0.47 / 0.70), 2-D inputs (256x1024: 0.14 / 0.18), 16 bits (training 0.60 / 0.55,
// inference 0.25 / 0.35; they convert in registers), short planes in inference (32x512x7x7: 0.25 / 0.41), few elements. Ours: training
// 3.1 / 0.96, its gradient 1.35 / 1.02; 32x512x7x7 1.6 / 0.77 and 0.95 / 0.88; group norm of 2x320x64x64 1.55 / 0.90.
constexpr int64_t kFewest = int64_t{1} << 17;  // elements

// x as planes of a sample's channel, or as rows along which the channel changes: whole samples of short planes (a row's overhead is some
// 30 ns), columns of weights.
struct Channels {
  bool last = false;
  int64_t n = 0, c = 0, hw = 1;  // last: n rows of c * hw elements, hw of each channel beside each other
  int compute = GEMS_F32;
  c10::Device device = c10::kCPU;

  bool of(const Tensor& x) {
    if (!x.device().is_cpu() || x.dim() < 2 || x.dim() > kMaxRank || x.numel() == 0 || !is_float(x)) return false;
    compute = x.scalar_type() == c10::kDouble ? GEMS_F64 : GEMS_F32;
    c = x.size(1);
    hw = x.numel() / (x.size(0) * c);
    n = x.size(0);
    last = hw < kShortest;
    return x.is_contiguous() && hw > 1 && x.element_size() > 2;
  }
  static constexpr int64_t kShortest = 256;
  int64_t row() const { return c * hw; }
  // One number a channel along a row.
  Numbers along(const Numbers& v) const {
    if (hw == 1) return v;
    Numbers r;
    r.reserve(static_cast<size_t>(row()));
    for (double x : v) r.insert(r.end(), static_cast<size_t>(hw), x);
    return r;
  }
  // Sums of what a row has for each channel.
  Numbers folded(const Numbers& v) const {
    if (hw == 1) return v;
    Numbers r(static_cast<size_t>(c), 0);
    for (size_t i = 0; i < v.size(); i++) r[i / static_cast<size_t>(hw)] += v[i];
    return r;
  }
};

// Operands of a call as arrays of our own shape.
class Call {
 public:
  gems_call c;
  Call(const char* op, const Channels& k) {
    c.op = op_find(op);
    c.nout = c.op->out;
    c.nin = c.op->in;
    c.npar = 0;
    c.compute = static_cast<int8_t>(k.compute);
  }
  void set(int k, const Tensor& t, std::initializer_list<int64_t> sizes, std::initializer_list<int64_t> strides) {
    gems_tensor& g = c.t[k];
    if (k < c.nout) writable(t, g);
    else view(t, g);
    std::copy(sizes.begin(), sizes.end(), sizes_[k]);
    std::copy(strides.begin(), strides.end(), strides_[k]);
    g.sizes = sizes_[k];
    g.strides = strides_[k];
    g.ndim = static_cast<int>(sizes.size());
    g.numel = 1;
    for (int64_t s : sizes) g.numel *= s;
    g.flags = 0;
  }
  bool reduce(uint64_t dims) {
    Reduction r;
    r.dims = dims;
    return c.op && build_reduce(c, r, false) == Plan::ok && launch();
  }
  bool row(int dim) { return c.op && build_row(c, dim, 1) == Plan::ok && launch(); }

 private:
  bool launch() {
    c.stream = current_stream(c.t[0].device_type, c.t[0].device_index);
    DeviceScope scope(c.t[0].device_type, c.t[0].device_index);
    return done(run(c), c);
  }
  int64_t sizes_[GEMS_MAX_OPERANDS][3], strides_[GEMS_MAX_OPERANDS][3];
};

Tensor numbers(const Channels& k, int64_t n) { return allocate(c10::IntArrayRef(n), k.compute, k.device); }
Tensor numbers(const Channels& k, const Numbers& v) {
  Tensor t = numbers(k, static_cast<int64_t>(v.size()));
  write(t, v);
  return t;
}

void set_elements(Call& call, int k, const Channels& s, const Tensor& t) {
  if (s.last) call.set(k, t, {s.n, s.row()}, {s.row(), 1});
  else call.set(k, t, {s.n, s.c, s.hw}, {s.c * s.hw, s.hw, 1});
}
// One number a channel, or (per_sample) a sample's channel.
void set_numbers(Call& call, int k, const Channels& s, const Tensor& t, bool per_sample) {
  if (s.last) call.set(k, t, {s.row()}, {1});
  else call.set(k, t, {s.n, s.c}, {per_sample ? s.c : 0, 1});
}

// out = f(elements, numbers): short rows are joined to some of 2048 elements, the numbers repeated.
bool elementwise(const char* op, const Channels& s, std::initializer_list<const Tensor*> elements,
                 std::initializer_list<const Numbers*> numbers_of, bool per_sample, const Tensor& out) {
  auto part = [&](int64_t first, int64_t rows, int64_t joined) {
    Call call(op, s);
    std::vector<Tensor> kept;
    int k = 0;
    auto place = [&](const Tensor& t) {
      if (!s.last) return set_elements(call, k++, s, t);
      const int64_t length = joined * s.row();
      call.set(k, t, {rows / joined, length}, {length, 1});
      gems_tensor& g = call.c.t[k++];
      g.data = static_cast<char*>(g.data) + first * s.row() * dtype_size(g.dtype);
    };
    place(out);
    for (const Tensor* t : elements) place(*t);
    for (const Numbers* v : numbers_of) {
      if (!s.last) {
        kept.push_back(numbers(s, *v));
        set_numbers(call, k++, s, kept.back(), per_sample);
        continue;
      }
      const Numbers once = s.along(*v);
      Numbers all;
      for (int64_t j = 0; j < joined; j++) all.insert(all.end(), once.begin(), once.end());
      kept.push_back(numbers(s, all));
      call.set(k++, kept.back(), {joined * s.row()}, {1});
    }
    return call.row(s.last ? 1 : 2);
  };
  if (!s.last) return part(0, s.n, 1);
  const int64_t joined = std::clamp<int64_t>(2048 / s.row(), 1, s.n), whole = s.n / joined * joined;
  return part(0, whole, joined) && (whole == s.n || part(whole, s.n - whole, s.n - whole));
}
// out = x * scale + shift
bool affine(const Channels& s, const Tensor& x, const Numbers& scale, const Numbers& shift, bool per_sample, const Tensor& out) {
  return elementwise(s.last ? "channel_affine_last" : "channel_affine", s, {&x}, {&scale, &shift}, per_sample, out);
}
// out = grad * a + x * b + c
bool gradient(const Channels& s, const Tensor& grad, const Tensor& x, const Numbers& a, const Numbers& b, const Numbers& c,
              bool per_sample, const Tensor& out) {
  return elementwise(s.last ? "channel_grad_last" : "channel_grad", s, {&grad, &x}, {&a, &b, &c}, per_sample, out);
}

struct Statistics {
  Numbers mean, var;
};
bool batch_statistics(const Channels& s, const Tensor& x, Statistics& st) {
  Call call("batch_stats", s);
  const int64_t n = s.last ? s.row() : s.c;
  const Tensor mean = numbers(s, n), var = numbers(s, n);
  call.set(0, mean, {n}, {1});
  call.set(1, var, {n}, {1});
  set_elements(call, 2, s, x);
  if (!call.reduce(s.last ? 1 : 5)) return false;
  st.mean = read(mean, n, 0);
  st.var = read(var, n, 0);
  if (!s.last || s.hw == 1) return true;
  // Of parts of equal size: the mean of the means; the mean of the variances and the variance of the means.
  const Numbers means = st.mean;
  const double part = 1 / static_cast<double>(s.hw);
  st.mean = s.folded(means);
  for (double& m : st.mean) m *= part;
  for (size_t i = 0; i < means.size(); i++) {
    const double d = means[i] - st.mean[i / static_cast<size_t>(s.hw)];
    st.var[i] += d * d;
  }
  st.var = s.folded(st.var);
  for (double& v : st.var) v *= part;
  return true;
}

// Parameters of one dtype: the elements' own or float. False: the native kernel's.
bool parameter_dtype(const Tensor& x, std::initializer_list<const Tensor*> params, int64_t c, c10::ScalarType& dtype) {
  dtype = x.scalar_type();
  bool first = true;
  for (const Tensor* p : params) {
    if (!p->defined()) continue;
    if (!p->device().is_cpu() || !p->is_contiguous() || p->numel() != c || (!first && p->scalar_type() != dtype)) return false;
    dtype = p->scalar_type();
    first = false;
  }
  return dtype == x.scalar_type() || (dtype == c10::kFloat && x.scalar_type() != c10::kDouble);
}

Tensor result_like(const Tensor& x) {
  OutMeta m;
  m.ndim = static_cast<int>(x.dim());
  m.dtype = static_cast<int>(x.scalar_type());
  m.contiguous = x.is_contiguous();
  for (int d = 0; d < m.ndim; d++) m.sizes[d] = x.size(d), m.strides[d] = x.stride(d);
  return allocate(m, x.device());
}
bool fits(const Tensor& given, c10::IntArrayRef sizes, c10::ScalarType dtype, const Tensor* like) {
  return given.device().is_cpu() && given.sizes() == sizes && given.scalar_type() == dtype &&
         (like ? given.strides() == like->strides() : given.is_contiguous());
}

}  // namespace

// (input, weight?, bias?[, running_mean, running_var][, training], momentum, eps) -> out, mean, 1 / std[, reserve]
bool handle_batch_norm(Row& r, torch::jit::Stack& st) {
  const OnlinePause two_calls;
  c10::IValue* a = arguments(r, st);
  const bool no_stats = r.key.find("no_stats") != std::string::npos, update = r.key.find("with_update") != std::string::npos;
  const Tensor &x = a[0].toTensor(), w = given(a[1]), b = given(a[2]);
  const Tensor rm = no_stats ? Tensor() : given(a[3]), rv = no_stats ? Tensor() : given(a[4]);
  int at = no_stats ? 3 : 5;
  const bool training = update || a[at++].toBool();
  const double momentum = a[at].toDouble(), eps = a[at + 1].toDouble();
  Channels s;
  c10::ScalarType dtype;
  if (!s.of(x) || !parameter_dtype(x, {&w, &b, &rm, &rv}, s.c, dtype) || rm.defined() != rv.defined()) return false;
  if (!training && (!rm.defined() || s.last || x.numel() < kFewest)) return false;
  const int64_t count = s.n * s.hw;
  if (training && count <= 1) return false;
  Tensor out, mean, invstd;
  const c10::IntArrayRef saved(training ? &s.c : nullptr, training ? 1 : 0);
  if (r.nouts) {
    out = a[r.outs[0]].toTensor(), mean = a[r.outs[1]].toTensor(), invstd = a[r.outs[2]].toTensor();
    if (r.nouts > 3 || !training || !fits(out, x.sizes(), x.scalar_type(), &x) || !fits(mean, saved, dtype, nullptr) ||
        !fits(invstd, saved, dtype, nullptr) || out.is_alias_of(x))
      return false;
  } else {
    out = result_like(x);
    const int64_t n = training ? s.c : 0;
    mean = allocate(c10::IntArrayRef(n), static_cast<int>(dtype), x.device());
    invstd = allocate(c10::IntArrayRef(n), static_cast<int>(dtype), x.device());
  }
  const size_t c = static_cast<size_t>(s.c);
  Statistics stat;
  if (training) {
    if (!batch_statistics(s, x, stat)) return false;
  } else {
    stat = {read(rm, s.c, 0), read(rv, s.c, 1)};
  }
  Numbers scale(c), shift(c), inverse(c);
  const Numbers ws = read(w, s.c, 1), bs = read(b, s.c, 0);
  for (size_t i = 0; i < c; i++) {
    inverse[i] = 1 / std::sqrt(stat.var[i] + eps);
    scale[i] = inverse[i] * ws[i];
    shift[i] = bs[i] - stat.mean[i] * scale[i];
  }
  if (!affine(s, x, scale, shift, false, out)) return false;
  if (training) {
    write(mean, stat.mean);
    write(invstd, inverse);
    if (rm.defined()) {
      Numbers m = read(rm, s.c, 0), v = read(rv, s.c, 0);
      const double unbiased = static_cast<double>(count) / static_cast<double>(count - 1);
      for (size_t i = 0; i < c; i++) {
        m[i] = momentum * stat.mean[i] + (1 - momentum) * m[i];
        v[i] = momentum * stat.var[i] * unbiased + (1 - momentum) * v[i];
      }
      write(rm, m);
      write(rv, v);
    }
  }
  st.erase(st.end() - r.nargs, st.end());
  st.emplace_back(std::move(out));
  st.emplace_back(std::move(mean));
  st.emplace_back(std::move(invstd));
  if (update) st.emplace_back(allocate(c10::IntArrayRef(int64_t{0}), GEMS_U8, x.device()));
  return true;
}

// (grad, input, weight?, running_mean?, running_var?, mean?, 1 / std?, train, eps, mask[, reserve])
bool handle_batch_norm_backward(Row& r, torch::jit::Stack& st) {
  const OnlinePause several_calls;
  if (r.nouts) return false;
  c10::IValue* a = arguments(r, st);
  const Tensor &grad = a[0].toTensor(), &x = a[1].toTensor(), w = given(a[2]), rm = given(a[3]), rv = given(a[4]);
  const bool train = a[7].toBool();
  const Tensor mean = train ? given(a[5]) : rm, inv = train ? given(a[6]) : rv;
  const double eps = a[8].toDouble();
  const auto mask = a[9].toBoolList();
  Channels s;
  c10::ScalarType dtype;
  if (!s.of(x) || x.numel() < kFewest || !mean.defined() || !inv.defined() ||
      !parameter_dtype(x, {&w, &mean, &inv}, s.c, dtype) || grad.scalar_type() != x.scalar_type() || grad.sizes() != x.sizes() ||
      grad.strides() != x.strides())
    return false;
  const size_t c = static_cast<size_t>(s.c);
  const Numbers ws = read(w, s.c, 1), m = read(mean, s.c, 0);
  Numbers is = read(inv, s.c, 1);
  if (!train)
    for (double& v : is) v = 1 / std::sqrt(v + eps);
  Numbers sum(c, 0), dot(c, 0);  // of grad, of grad * (x - mean) / std
  if (train || mask.get(1) || mask.get(2)) {
    if (s.last) {
      Call call("layer_norm_param_grad", s);
      const int64_t n = s.row();
      const Tensor out[2] = {numbers(s, n), numbers(s, n)}, stats[2] = {numbers(s, s.along(m)), numbers(s, s.along(is))};
      for (int k = 0; k < 2; k++) call.set(k, out[k], {n}, {1});
      set_elements(call, 2, s, grad);
      set_elements(call, 3, s, x);
      for (int k = 0; k < 2; k++) call.set(4 + k, stats[k], {s.n, n}, {0, 1});
      if (!call.reduce(1)) return false;
      dot = s.folded(read(out[0], n, 0));
      sum = s.folded(read(out[1], n, 0));
    } else {
      Call call("channel_sums", s);
      const Tensor out[2] = {numbers(s, s.n * s.c), numbers(s, s.n * s.c)}, means = numbers(s, m);
      for (int k = 0; k < 2; k++) set_numbers(call, k, s, out[k], true);
      set_elements(call, 2, s, grad);
      set_elements(call, 3, s, x);
      set_numbers(call, 4, s, means, false);
      if (!call.row(2)) return false;
      const Numbers sums = read(out[0], s.n * s.c, 0), dots = read(out[1], s.n * s.c, 0);
      for (size_t i = 0; i < sums.size(); i++) sum[i % c] += sums[i], dot[i % c] += dots[i] * is[i % c];
    }
  }
  Tensor gx, gw, gb;
  if (mask.get(0)) {
    gx = result_like(x);
    Numbers ga(c), gc(c), k(c);
    const double count = static_cast<double>(s.n * s.hw);
    for (size_t i = 0; i < c; i++) {
      ga[i] = is[i] * ws[i];
      k[i] = train ? -ga[i] * dot[i] * is[i] / count : 0;
      gc[i] = train ? -ga[i] * sum[i] / count - k[i] * m[i] : 0;
    }
    if (!(train ? gradient(s, grad, x, ga, k, gc, false, gx) : affine(s, grad, ga, gc, false, gx))) return false;
  }
  if (mask.get(1)) write(gw = allocate(c10::IntArrayRef(s.c), static_cast<int>(dtype), x.device()), dot);
  if (mask.get(2)) write(gb = allocate(c10::IntArrayRef(s.c), static_cast<int>(dtype), x.device()), sum);
  st.erase(st.end() - r.nargs, st.end());
  st.emplace_back(std::move(gx));
  st.emplace_back(std::move(gw));
  st.emplace_back(std::move(gb));
  return true;
}

namespace {

// [N, C, HxW] in `groups` of channels; `from`: the position of N among the arguments.
bool groups_of(const Tensor& x, const c10::IValue* a, int from, Channels& s, int64_t& groups) {
  if (!x.device().is_cpu() || !x.is_contiguous() || x.dim() > kMaxRank || x.numel() == 0 || !is_float(x)) return false;
  s.compute = x.scalar_type() == c10::kDouble ? GEMS_F64 : GEMS_F32;
  s.n = a[from].toInt();
  s.c = a[from + 1].toInt();
  s.hw = a[from + 2].toInt();
  groups = a[from + 3].toInt();
  return x.numel() >= kFewest && s.n * s.c * s.hw == x.numel() && s.hw >= Channels::kShortest && groups > 0 && s.c % groups == 0;
}

}  // namespace

// (input, weight?, bias?, N, C, HxW, group, eps) -> out, mean, 1 / std of each group
bool handle_group_norm(Row& r, torch::jit::Stack& st) {
  const OnlinePause two_calls;
  if (r.nouts) return false;
  c10::IValue* a = arguments(r, st);
  const Tensor &x = a[0].toTensor(), w = given(a[1]), b = given(a[2]);
  Channels s;
  int64_t groups;
  c10::ScalarType dtype;
  if (!groups_of(x, a, 3, s, groups) || !parameter_dtype(x, {&w, &b}, s.c, dtype)) return false;
  const double eps = a[7].toDouble();
  const int64_t each = s.c / groups;
  Tensor out = result_like(x);
  Call call("batch_stats", s);
  const int64_t rows = s.n * groups, length = each * s.hw;
  const Tensor mean = numbers(s, rows), var = numbers(s, rows);
  call.set(0, mean, {rows}, {1});
  call.set(1, var, {rows}, {1});
  call.set(2, x, {rows, length}, {length, 1});
  if (!call.reduce(2)) return false;
  const Numbers m = read(mean, rows, 0), v = read(var, rows, 0), ws = read(w, s.c, 1), bs = read(b, s.c, 0);
  Numbers scale(static_cast<size_t>(s.n * s.c)), shift(scale.size()), inverse(m.size());
  for (size_t i = 0; i < m.size(); i++) inverse[i] = 1 / std::sqrt(v[i] + eps);
  for (size_t i = 0; i < scale.size(); i++) {
    const size_t g = i / static_cast<size_t>(each), c = i % static_cast<size_t>(s.c);
    scale[i] = inverse[g] * ws[c];
    shift[i] = bs[c] - m[g] * scale[i];
  }
  if (!affine(s, x, scale, shift, true, out)) return false;
  Tensor saved[2];
  const int64_t shape[2] = {s.n, groups};
  for (Tensor& t : saved) t = allocate(c10::IntArrayRef(shape, 2), static_cast<int>(dtype), x.device());
  write(saved[0], m);
  write(saved[1], inverse);
  st.erase(st.end() - r.nargs, st.end());
  st.emplace_back(std::move(out));
  for (Tensor& t : saved) st.emplace_back(std::move(t));
  return true;
}

// (grad, input, mean, 1 / std, weight?, N, C, HxW, group, mask)
bool handle_group_norm_backward(Row& r, torch::jit::Stack& st) {
  const OnlinePause two_calls;
  if (r.nouts) return false;
  c10::IValue* a = arguments(r, st);
  const Tensor &grad = a[0].toTensor(), &x = a[1].toTensor(), &mean = a[2].toTensor(), &rstd = a[3].toTensor(), w = given(a[4]);
  const auto mask = a[9].toBoolList();
  Channels s;
  int64_t groups;
  c10::ScalarType dtype, saved;
  if (!groups_of(x, a, 5, s, groups) || !parameter_dtype(x, {&w}, s.c, dtype) ||
      !parameter_dtype(x, {&mean, &rstd}, s.n * groups, saved) || grad.scalar_type() != x.scalar_type() ||
      grad.sizes() != x.sizes() || !grad.is_contiguous() || x.element_size() == 2 ||
      (!w.defined() && (mask.get(1) || mask.get(2))))
    return false;  // 16 bits: 0.59 ms natively, 0.99 here (8x64x56x56); the last: an error of torch
  const size_t each = static_cast<size_t>(s.c / groups), all = static_cast<size_t>(s.n * s.c), c = static_cast<size_t>(s.c);
  const Numbers ws = read(w, s.c, 1), m = read(mean, s.n * groups, 0), is = read(rstd, s.n * groups, 1);
  Numbers means(all);
  for (size_t i = 0; i < all; i++) means[i] = m[i / each];
  Call call("channel_sums", s);
  const Tensor out[2] = {numbers(s, s.n * s.c), numbers(s, s.n * s.c)}, mean_of = numbers(s, means);
  for (int k = 0; k < 2; k++) set_numbers(call, k, s, out[k], true);
  set_elements(call, 2, s, grad);
  set_elements(call, 3, s, x);
  set_numbers(call, 4, s, mean_of, true);
  if (!call.row(2)) return false;
  const Numbers sums = read(out[0], s.n * s.c, 0), dots = read(out[1], s.n * s.c, 0);
  Tensor gx, gw, gb;
  if (mask.get(0)) {
    gx = result_like(x);
    Numbers ga(all), k(all), gc(all), sum(m.size(), 0), dot(m.size(), 0);
    for (size_t i = 0; i < all; i++) sum[i / each] += sums[i] * ws[i % c], dot[i / each] += dots[i] * ws[i % c];
    const double count = static_cast<double>(each) * static_cast<double>(s.hw);
    for (size_t i = 0; i < all; i++) {
      const size_t g = i / each;
      ga[i] = is[g] * ws[i % c];
      k[i] = -is[g] * is[g] * is[g] * dot[g] / count;
      gc[i] = -is[g] * sum[g] / count - k[i] * m[g];
    }
    if (!gradient(s, grad, x, ga, k, gc, true, gx)) return false;
  }
  if (mask.get(1) || mask.get(2)) {
    Numbers dw(c, 0), db(c, 0);
    for (size_t i = 0; i < all; i++) dw[i % c] += dots[i] * is[i / each], db[i % c] += sums[i];
    if (mask.get(1)) write(gw = allocate(c10::IntArrayRef(s.c), static_cast<int>(dtype), x.device()), dw);
    if (mask.get(2)) write(gb = allocate(c10::IntArrayRef(s.c), static_cast<int>(dtype), x.device()), db);
  }
  st.erase(st.end() - r.nargs, st.end());
  st.emplace_back(std::move(gx));
  st.emplace_back(std::move(gw));
  st.emplace_back(std::move(gb));
  return true;
}

namespace {

// Weight norm along the last dimension: the norms by columns, then all elements.
bool weight_columns(Channels s, const c10::IValue* a, const Tensor& out, const Tensor& norms, int64_t n) {
  const Tensor& v = a[0].toTensor();
  s.last = true;
  s.c = n;
  s.n = v.numel() / n;
  Call call("norm2", s);
  call.set(0, norms, {n}, {1});
  set_elements(call, 1, s, v);
  if (!call.reduce(1)) return false;
  const Numbers length = read(norms, n, 0);
  Numbers scale = read(a[1].toTensor(), n, 0);
  for (size_t i = 0; i < scale.size(); i++) scale[i] /= length[i];
  return affine(s, v, scale, Numbers(scale.size(), 0), false, out);
}
bool weight_columns_backward(Channels s, const c10::IValue* a, const Tensor& gv, const Tensor& gg, int64_t n) {
  const Tensor &grad = a[0].toTensor(), &v = a[1].toTensor();
  s.last = true;
  s.c = n;
  s.n = v.numel() / n;
  Call call("layer_norm_param_grad", s);  // of a mean of 0 and a deviation of 1
  const Tensor dots = numbers(s, n), zero = numbers(s, Numbers(static_cast<size_t>(n), 0)),
               one = numbers(s, Numbers(static_cast<size_t>(n), 1));
  call.set(0, dots, {n}, {1});
  call.set(1, dots, {n}, {1});
  call.c.t[1].flags = GEMS_T_ABSENT;
  set_elements(call, 2, s, grad);
  set_elements(call, 3, s, v);
  call.set(4, zero, {s.n, n}, {0, 1});
  call.set(5, one, {s.n, n}, {0, 1});
  if (!call.reduce(1)) return false;
  const Numbers g = read(a[2].toTensor(), n, 0), length = read(a[3].toTensor(), n, 0);
  Numbers dot = read(dots, n, 0), scale(dot.size()), back(dot.size());
  for (size_t i = 0; i < dot.size(); i++) {
    scale[i] = g[i] / length[i];
    back[i] = -scale[i] * dot[i] / (length[i] * length[i]);
    dot[i] /= length[i];
  }
  write(gg, dot);
  return gradient(s, grad, v, scale, back, Numbers(dot.size(), 0), false, gv);
}

}  // namespace

// (v, g, dim) -> v * g / norm, norm; (grad, v, g, norms, dim) -> gradients of v and g. dim is the first or the last one.
bool handle_weight_norm(Row& r, torch::jit::Stack& st) {
  if (r.nouts) return false;
  c10::IValue* a = arguments(r, st);
  const bool backward = r.op->in == 4;
  const Tensor &v = a[backward ? 1 : 0].toTensor(), &g = a[backward ? 2 : 1].toTensor();
  const int64_t dim = a[backward ? 4 : 2].toInt();
  if (v.dim() < 2 || v.numel() == 0 || !is_float(v) || !v.is_contiguous() || (dim != 0 && dim != v.dim() - 1)) return false;
  // Smaller ones of 16 bits or along the last dimension: 0.4 to 0.9 of the native kernel's speed, larger ones 1.2 to 6 times it.
  if (v.device().is_cpu() && v.numel() < int64_t{1} << 20 && (v.element_size() == 2 || dim != 0)) return false;
  Channels s;
  s.compute = v.scalar_type() == c10::kDouble ? GEMS_F64 : GEMS_F32;
  const int64_t kept = v.size(dim), rest = v.numel() / kept;
  if (g.numel() != kept || !g.is_contiguous() || !is_float(g) || g.device() != v.device()) return false;
  Call call(r.op->name, s);
  auto rows = [&](int k, const Tensor& t) {
    if (dim == 0) call.set(k, t, {kept, rest}, {rest, 1});
    else call.set(k, t, {rest, kept}, {kept, 1});
  };
  auto stats = [&](int k, const Tensor& t) { call.set(k, t, {kept}, {1}); };
  Tensor out = allocate(v.sizes(), static_cast<int>(v.scalar_type()), v.device()), second;
  if (backward) {
    const Tensor &grad = a[0].toTensor(), &norms = a[3].toTensor();
    if (grad.sizes() != v.sizes() || !grad.is_contiguous() || grad.scalar_type() != v.scalar_type() || norms.numel() != kept ||
        !norms.is_contiguous() || !is_float(norms) || grad.device() != v.device() || norms.device() != v.device())
      return false;
    second = allocate(g.sizes(), static_cast<int>(g.scalar_type()), v.device());
    rows(2, grad);
    rows(3, v);
    stats(4, g);
    stats(5, norms);
  } else {
    if (g.scalar_type() != v.scalar_type()) return false;
    second = allocate(g.sizes(), s.compute, v.device());  // norms of 16-bit weights are float
    rows(2, v);
    stats(3, g);
  }
  rows(0, out);
  stats(1, second);
  const bool columns = dim != 0 && v.device().is_cpu();  // rows across memory are 2 to 3 times slower there than their parts
  if (columns ? !(backward ? weight_columns_backward(s, a, out, second, kept) : weight_columns(s, a, out, second, kept))
              : !call.row(dim == 0 ? 1 : 0))
    return false;
  st.erase(st.end() - r.nargs, st.end());
  st.emplace_back(std::move(out));
  st.emplace_back(std::move(second));
  return true;
}

}  // namespace gems::torch_binding
