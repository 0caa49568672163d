// Random numbers into a tensor: torch's generators, locked and moved as torch's own kernels do it, so that ours and theirs can follow each
// other without repeating a number, and a seed gives the numbers that it gives there.
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>
#include <torch/headeronly/version.h>

#include <cmath>
#include <limits>
#include <mutex>

#include "bindings/torch/handlers.h"
#include "bindings/torch/tensors.h"
#include "core/backend.h"
#include "gems/random.h"

namespace gems::torch_binding {
namespace {

// Before 2.13 torch drew 8 or 11 bits for 16-bit types on the CPU.
constexpr bool kNarrowFloats = TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 13);

struct Integers {
  double digits;  // floating point: 2^digits + 1 values in random_()
  int64_t lo, hi;
  bool is_float;
};
bool integers_of(int dtype, Integers& r) {
  const auto whole = [&](int64_t lo, int64_t hi) { return r = {0, lo, hi, false}, true; };
  const auto real = [&](int digits) { return r = {double(digits), -(int64_t{1} << digits), int64_t{1} << digits, true}, true; };
  switch (dtype) {
    case GEMS_U8: return whole(0, 255);
    case GEMS_I8: return whole(-128, 127);
    case GEMS_I16: return whole(-32768, 32767);
    case GEMS_I32: return whole(INT32_MIN, INT32_MAX);
    case GEMS_I64: return whole(INT64_MIN, INT64_MAX);
    case GEMS_BOOL: return whole(0, 1);
    case GEMS_F16: return real(11);
    case GEMS_BF16: return real(8);
    case GEMS_F32: return real(24);
    case GEMS_F64: return real(53);
    default: return false;
  }
}

struct IntegerCall {
  bool everything = false;  // random_(): all non-negative values of the dtype
  int64_t from = 0;
  std::optional<int64_t> to;  // none: up to the largest
};

// Numbers: range (0: all of 64 bits), base, does it take 64 bits? False: torch's warning or error.
bool integer_numbers(const IntegerCall& call, int dtype, gems_call& c) {
  Integers of;
  if (!integers_of(dtype, of)) return false;
  uint64_t range;
  bool wide;
  if (call.everything) {
    range = of.is_float ? (uint64_t{1} << int(of.digits)) + 1 : static_cast<uint64_t>(of.hi) + 1;
    wide = dtype == GEMS_F64 || dtype == GEMS_I64;
  } else {
    if (call.from < of.lo || call.from > of.hi) return false;
    if (!call.to) {
      if (of.is_float) return false;
      range = static_cast<uint64_t>(of.hi) - static_cast<uint64_t>(call.from) + 1;
    } else {
      if (call.from >= *call.to || (of.is_float ? *call.to > of.hi : *call.to - 1 > of.hi)) return false;
      range = static_cast<uint64_t>(*call.to) - static_cast<uint64_t>(call.from);
    }
    wide = range == 0 || range >= uint64_t{1} << 28;
  }
  c.npar = 3;
  c.compute = GEMS_I64;
  c.par[0].i = static_cast<int64_t>(range);
  c.par[1].i = call.from;
  c.par[2].i = wide;
  return true;
}

double rounded(double x, int dtype) {
  return dtype == GEMS_F64    ? x
         : dtype == GEMS_BF16 ? static_cast<float>(c10::BFloat16(static_cast<float>(x)))
         : dtype == GEMS_F16  ? static_cast<float>(c10::Half(static_cast<float>(x)))
                              : static_cast<double>(static_cast<float>(x));
}

// Numbers of the real distributions, of what c.par holds. False: torch's error.
bool real_numbers(const Row& r, const at::Tensor& self, gems_call& c) {
  const int dtype = static_cast<int>(self.scalar_type());
  const std::string name = r.op->name;
  const bool counts = name == "bernoulli" || name == "geometric";  // whose values integers can hold
  if (!dtype_is_float(dtype) && !counts) return false;
  c.npar = r.op->par;
  c.compute = dtype == GEMS_F64 ? GEMS_F64 : GEMS_F32;
  const double p = c.par[0].d, q = c.par[1].d;
  if (name == "uniform") {
    const int held = self.is_cuda() ? dtype : dtype == GEMS_F64 ? GEMS_F64 : GEMS_F32;  // the CPU keeps them in float
    const double lo = rounded(p, held), hi = rounded(q, held), range = rounded(hi - lo, held);
    if (!(p <= q) || !std::isfinite(range)) return false;
    c.par[0].d = lo;
    c.par[1].d = hi;
    c.par[2].d = range;
    c.npar = 3;
  } else if (name == "normal"        ? !(q >= 0)
             : name == "bernoulli"   ? !(p >= 0 && p <= 1)
             : name == "geometric"   ? !(p > 0 && p < 1)
             : name == "exponential" ? !(p > 0)
                                     : !(q > 0)) {
    return false;
  }
  return !(!self.is_cuda() && dtype_size(dtype) == 2 && !kNarrowFloats && (name == "uniform" || name == "normal"));
}

bool philox_wanted() {
  static const bool wanted = [] {
    const char* s = setting("GEMS_CPU_RNG");
    return s && std::string(s) == "philox";
  }();
  return wanted;
}

bool run_on(gems_call& c, gems_random_state& s) {
  gems_tensor& state = c.t[1];
  state = gems_tensor{};
  state.data = &s;
  state.numel = sizeof s;
  state.dtype = GEMS_U8;
  state.device_type = GEMS_CPU;
  c.nout = c.nin = 1;
  c.stream = current_stream(c.t[0].device_type, c.t[0].device_index);
  DeviceScope scope(c.t[0].device_type, c.t[0].device_index);
  return done(run(c), c);
}

bool with_cpu_generator(gems_call& c, at::CPUGeneratorImpl* gen) {
  gems_random_state s;
  s.has_half = 0;
  s.philox = philox_wanted();
  if (s.philox) {
    s.seed = gen->random64();
    s.offset = 0;
    return run_on(c, s);
  }
  // Its data is all that an engine has; by its functions each look would be another copy of 2.5 KB.
  at::mt19937 moved = gen->engine();
  static_assert(sizeof(at::mt19937) == sizeof(at::mt19937_data_pod));
  auto& engine = reinterpret_cast<at::mt19937_data_pod&>(moved);
  s.words = engine.state_.data();
  s.used = 625 - engine.left_;
  const auto half = gen->next_double_normal_sample();
  if (half) {
    s.has_half = 1;
    s.half = *half;
  }
  if (!run_on(c, s)) return false;
  engine.left_ = 625 - s.used;
  engine.next_ = static_cast<uint32_t>(s.used);
  gen->set_engine(moved);
  if (s.has_half != static_cast<int>(half.has_value()) || (half && s.half != *half))
    gen->set_next_double_normal_sample(s.has_half ? std::optional<double>(s.half) : std::nullopt);
  return true;
}

// A generator that is being captured into a graph keeps its offset in device memory, and says so by an exception: native.
bool with_cuda_generator(gems_call& c, c10::GeneratorImpl* gen) {
  gems_random_state s;
  s.philox = 1;
  s.advance = 0;
  try {
    s.seed = gen->current_seed();
    s.offset = gen->get_offset();
  } catch (const c10::Error&) { return false; }
  if (!run_on(c, s)) return false;
  gen->set_offset(s.offset + s.advance);
  return true;
}

bool fill(const at::Tensor& self, gems_call& c, const c10::IValue& given) {
  if (self.numel() == 0) return true;
  writable(self, c.t[0]);
  at::Generator gen = given.isGenerator() ? given.toGenerator() : at::globalContext().defaultGenerator(self.device());
  if (!gen.defined() || gen.device().type() != self.device().type()) return false;
  std::lock_guard<std::mutex> lock(gen.mutex());
  return self.is_cuda() ? with_cuda_generator(c, gen.unsafeGetGeneratorImpl())
                        : with_cpu_generator(c, gen.get<at::CPUGeneratorImpl>());
}

}  // namespace

bool handle_random(Row& r, torch::jit::Stack& st) {
  c10::IValue* a = arguments(r, st);
  if (r.nargs > 1 && a[1].isTensor()) return handle_bernoulli_of(r, st);
  const at::Tensor& self = a[0].toTensor();
  const int dtype = static_cast<int>(self.scalar_type());
  if (!dtype_is_served(dtype) || !self.is_non_overlapping_and_dense()) return false;
  gems_call c;
  c.op = r.op;
  if (r.op->types[0] == 'l') {  // (self, generator), (self, to, generator), (self, from, to?, generator)
    IntegerCall n;
    n.everything = r.nargs == 2;
    if (r.nargs == 4) n.from = a[1].toInt();
    if (r.nargs > 2 && !a[r.nargs - 2].isNone()) n.to = a[r.nargs - 2].toInt();
    if (!integer_numbers(n, dtype, c)) return false;
  } else {
    for (int i = 0; i < r.op->par; i++) c.par[i].d = a[1 + i].toDouble();
    if (!real_numbers(r, self, c)) return false;
  }
  if (!fill(self, c, a[r.nargs - 1])) return false;
  finish(r, st, at::Tensor(self));
  return true;
}

// rand, randn (size), randint ([low,] high, size) and their generator= forms; then dtype, layout, device, pin_memory. Ours, because what
// they'd call otherwise begins with memory that was never touched: 30 of the 75 ms of 16M numbers.
bool handle_rand(Row& r, torch::jit::Stack& st) {
  if (r.nouts) return false;
  c10::IValue* a = arguments(r, st);
  const int o = r.dtype, at_size = r.op->types[0] == 'l' ? r.find("size") : 0;
  if (!a[at_size].isIntList()) return false;
  const int dtype =
      a[o].isNone() ? static_cast<int>(c10::typeMetaToScalarType(c10::get_default_dtype())) : static_cast<int>(a[o].toInt());
  if (!dtype_is_served(dtype) || (!a[o + 1].isNone() && a[o + 1].toLayout() != c10::kStrided)) return false;
  if (!a[o + 3].isNone() && a[o + 3].toBool()) return false;
  const c10::Device device = a[o + 2].isNone() ? c10::Device(c10::DeviceType::CPU) : with_index(a[o + 2].toDevice());
  if (device.type() != c10::DeviceType::CPU && device.type() != c10::DeviceType::CUDA) return false;
  const auto size = a[at_size].toIntVector();
  if (size.size() > kMaxRank) return false;
  for (int64_t n : size)
    if (n < 0) return false;
  gems_call c;
  c.op = r.op;
  IntegerCall n;
  if (at_size) {
    if (!a[0].isInt() || !a[at_size - 1].isInt()) return false;
    if (at_size == 2) n.from = a[0].toInt();
    n.to = a[at_size - 1].toInt();
    if (!integer_numbers(n, dtype, c)) return false;
  }
  const at::Tensor out = allocate(size, dtype, device);
  if (!at_size) {
    c.par[0].d = 0;
    c.par[1].d = 1;
    if (!real_numbers(r, out, c)) return false;
  }
  if (!fill(out, c, o > at_size + 1 ? a[o - 1] : c10::IValue())) return false;
  finish(r, st, out);
  return true;
}

// rand_like, randn_like (self), randint_like (self, [low,] high) and their generator= forms; then dtype, layout, device, pin_memory,
// memory_format. Ours for the same reason as rand: one thread, 1M floats, 0.4 ms in memory that was used before, 3.6 in fresh memory.
bool handle_rand_like(Row& r, torch::jit::Stack& st) {
  if (r.nouts) return false;
  c10::IValue* a = arguments(r, st);
  const at::Tensor& self = a[0].toTensor();
  const int o = r.dtype, generator = r.find("generator"), high = r.find("high");
  const int dtype = static_cast<int>(a[o].isNone() ? self.scalar_type() : a[o].toScalarType());
  if (!dtype_is_served(dtype) || self.dim() > kMaxRank || (!a[o + 1].isNone() && a[o + 1].toLayout() != c10::kStrided))
    return false;
  if (!self.is_cpu() && !self.is_cuda()) return false;
  if (!a[o + 2].isNone() && with_index(a[o + 2].toDevice()) != self.device()) return false;
  if (!a[o + 3].isNone() && a[o + 3].toBool()) return false;
  gems_call c;
  c.op = r.op;
  IntegerCall n;
  if (high > 0) {
    if (!a[1].isInt() || !a[high].isInt()) return false;
    if (high == 2) n.from = a[1].toInt();
    n.to = a[high].toInt();
    if (!integer_numbers(n, dtype, c)) return false;
  }
  OutMeta m;
  if (!layout_for(self, a[o + 4], m)) return false;
  m.dtype = dtype;
  const at::Tensor out = allocate(m, self.device());
  if (high < 0) {
    c.par[0].d = 0;
    c.par[1].d = 1;
    if (!real_numbers(r, out, c)) return false;
  }
  if (!fill(out, c, generator < 0 ? c10::IValue() : a[generator])) return false;
  finish(r, st, out);
  return true;
}

namespace {
bool dense_cpu(const at::Tensor& t) {
  return t.is_cpu() && t.is_contiguous() && t.layout() == c10::kStrided && t.dim() <= kMaxRank &&
         dtype_is_served(static_cast<int>(t.scalar_type()));
}
}  // namespace

// bernoulli(p), bernoulli_(self, p): torch draws and compares element by element, 12.7 ms for 1M floats on a CPU, whose stream is that of
// uniform numbers: ours and a comparison. On CUDA its kernel draws for four elements at once, a stream of its own.
bool handle_bernoulli_of(Row& r, torch::jit::Stack& st) {
  c10::IValue* a = arguments(r, st);
  const at::Tensor& self = a[0].toTensor();
  const at::Tensor& p = r.inplace ? a[1].toTensor() : self;
  if (r.nouts || !dense_cpu(self) || !dense_cpu(p) || p.numel() == 0 || self.sizes() != p.sizes()) return false;
  if (is_lazy(self.unsafeGetTensorImpl()) || is_lazy(p.unsafeGetTensorImpl())) return false;
  const int dtype = static_cast<int>(p.scalar_type());
  if (!dtype_is_float(dtype) || (self.scalar_type() == c10::kDouble) != (dtype == GEMS_F64)) return false;
  if (!(p.min().item<double>() >= 0 && p.max().item<double>() <= 1)) return false;  // torch's error, also for NaN
  static const gems_op_info* uniform = op_find("uniform");
  gems_call c;
  c.op = uniform;
  c.compute = dtype == GEMS_F64 ? GEMS_F64 : GEMS_F32;
  c.par[0].d = 0;
  c.par[1].d = c.par[2].d = 1;
  c.npar = 3;
  const at::Tensor drawn = allocate(p.sizes(), c.compute, p.device());
  if (!fill(drawn, c, a[r.find("generator")])) return false;
  drawn.lt_(p);
  if (r.inplace) {
    self.copy_(drawn);
    finish(r, st, at::Tensor(self));
  } else {
    finish(r, st, dtype == c.compute ? drawn : drawn.to(self.scalar_type()));
  }
  return true;
}

// normal(mean, std) with a tensor or two: normal_(0, std or 1), then what torch makes of it. 1M floats on a CPU: torch draws in 3.4 ms.
bool handle_normal_of(Row& r, torch::jit::Stack& st) {
  c10::IValue* a = arguments(r, st);
  if (r.nouts || r.nargs != 3 || (!a[0].isTensor() && !a[1].isTensor())) return false;
  const bool means = a[0].isTensor(), deviations = a[1].isTensor();
  const at::Tensor& like = a[means ? 0 : 1].toTensor();
  const int dtype = static_cast<int>(like.scalar_type());
  const auto plain = [&](const at::Tensor& t) {
    return t.is_contiguous() && t.layout() == c10::kStrided && t.scalar_type() == like.scalar_type() &&
           t.sizes() == like.sizes() && t.device() == like.device() && t.dim() <= kMaxRank && !is_lazy(t.unsafeGetTensorImpl());
  };
  if (!dtype_is_float(dtype) || like.numel() == 0 || (!like.is_cpu() && !like.is_cuda())) return false;
  if (!plain(like) || (deviations && !plain(a[1].toTensor()))) return false;
  if (deviations && like.is_cuda()) return false;  // looking at them would wait for the device, as torch's own check does
  if (deviations && !(a[1].toTensor().min().item<double>() >= 0)) return false;  // torch's error
  gems_call c;
  c.op = r.op;
  c.par[0].d = 0;
  c.par[1].d = deviations ? 1 : a[1].toDouble();
  const at::Tensor out = allocate(like.sizes(), dtype, like.device());
  if (!real_numbers(r, out, c) || !fill(out, c, a[2])) return false;
  if (deviations) out.mul_(a[1].toTensor());
  if (means) out.add_(a[0].toTensor());
  else out.add_(a[0].toDouble());
  finish(r, st, out);
  return true;
}

}  // namespace gems::torch_binding
