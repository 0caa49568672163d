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

// Numbers of random_: range (0: all of 64 bits), base, does it take 64 bits. False: torch's warning or error.
bool integer_numbers(const Row& r, const c10::IValue* a, int dtype, gems_call& c) {
  Integers of;
  if (!integers_of(dtype, of)) return false;
  uint64_t range;
  int64_t base = 0;
  bool wide;
  if (r.nargs == 2) {  // (self, generator)
    range = of.is_float ? (uint64_t{1} << int(of.digits)) + 1 : static_cast<uint64_t>(of.hi) + 1;
    wide = dtype == GEMS_F64 || dtype == GEMS_I64;
  } else {
    const bool from = r.nargs == 4;  // (self, from, to?, generator), else (self, to, generator)
    base = from ? a[1].toInt() : 0;
    const c10::IValue& to = a[from ? 2 : 1];
    if (to.isNone()) {
      if (of.is_float || base < of.lo || base > of.hi) return false;
      range = static_cast<uint64_t>(of.hi) - static_cast<uint64_t>(base) + 1;
    } else {
      const int64_t end = to.toInt();
      if (base >= end || base < of.lo || (of.is_float ? end > of.hi : end - 1 > of.hi)) return false;
      range = static_cast<uint64_t>(end) - static_cast<uint64_t>(base);
    }
    wide = range == 0 || range >= uint64_t{1} << 28;
  }
  c.npar = 3;
  c.compute = GEMS_I64;
  c.par[0].i = static_cast<int64_t>(range);
  c.par[1].i = base;
  c.par[2].i = wide;
  return true;
}

double rounded(double x, int dtype) {
  return dtype == GEMS_F64    ? x
         : dtype == GEMS_BF16 ? static_cast<float>(c10::BFloat16(static_cast<float>(x)))
         : dtype == GEMS_F16  ? static_cast<float>(c10::Half(static_cast<float>(x)))
                              : static_cast<double>(static_cast<float>(x));
}

// Numbers of the real distributions. False: torch's error.
bool real_numbers(const Row& r, const c10::IValue* a, const at::Tensor& self, gems_call& c) {
  const int dtype = static_cast<int>(self.scalar_type());
  const std::string name = r.op->name;
  const bool counts = name == "bernoulli" || name == "geometric";  // whose values integers can hold
  if (!dtype_is_float(dtype) && !counts) return false;
  for (int i = 0; i < r.op->par; i++) c.par[i].d = a[1 + i].toDouble();
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
  } else if (name == "normal" ? !(q >= 0)
             : name == "bernoulli" ? !(p >= 0 && p <= 1)
             : name == "geometric" ? !(p > 0 && p < 1)
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
  } catch (const c10::Error&) {
    return false;
  }
  if (!run_on(c, s)) return false;
  gen->set_offset(s.offset + s.advance);
  return true;
}

}  // namespace

bool handle_random(Row& r, torch::jit::Stack& st) {
  c10::IValue* a = arguments(r, st);
  const at::Tensor& self = a[0].toTensor();
  gems_call c;
  c.op = r.op;
  if (!dtype_is_served(static_cast<int>(self.scalar_type())) || !self.is_non_overlapping_and_dense()) return false;
  const bool integers = r.op->types[0] == 'l';
  if (integers ? !integer_numbers(r, a, static_cast<int>(self.scalar_type()), c) : !real_numbers(r, a, self, c)) return false;
  if (self.numel() > 0) {
    writable(self, c.t[0]);
    const c10::IValue& given = a[r.nargs - 1];
    at::Generator gen =
        given.isGenerator() ? given.toGenerator() : at::globalContext().defaultGenerator(self.device());
    if (!gen.defined() || gen.device().type() != self.device().type()) return false;
    std::lock_guard<std::mutex> lock(gen.mutex());
    if (self.is_cuda() ? !with_cuda_generator(c, gen.unsafeGetGeneratorImpl())
                       : !with_cpu_generator(c, gen.get<at::CPUGeneratorImpl>()))
      return false;
  }
  finish(r, st, at::Tensor(self));
  return true;
}

}  // namespace gems::torch_binding
