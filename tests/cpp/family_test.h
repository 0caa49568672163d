// For the tests of the CPU backend's families: a host of our own with real threads, tensors with any layout, and every instruction set
// of the machine. The iteration spaces come from the core's planner.
#pragma once
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "core/plan/plan.h"

namespace gems::test {

typedef long double Real;  // references: well beyond float64 where the machine has it (x86)

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

inline int g_threads = 3;
inline int64_t g_pieces = 1;  // of the last parallel region

inline void parallel_for(int64_t n, int64_t grain, void (*fn)(void*, int64_t, int64_t), void* ctx) {
  const int64_t pieces = std::min<int64_t>(g_threads, (n + grain - 1) / grain);
  g_pieces = std::max<int64_t>(pieces, 1);
  if (pieces <= 1) return fn(ctx, 0, n);
  const int64_t each = (n + pieces - 1) / pieces;
  std::vector<std::thread> threads;
  for (int64_t b = each; b < n; b += each) threads.emplace_back(fn, ctx, b, std::min(n, b + each));
  fn(ctx, 0, std::min(n, each));
  for (std::thread& t : threads) t.join();
}

inline const gems_backend* cpu() {
  static const gems_backend* backend = [] {
    static gems_host host{};
    host.abi_version = GEMS_ABI_VERSION;
    host.parallel_for = parallel_for;
    host.num_threads = [] { return g_threads; };
    host.log = [](int, const char*) {};
    host.setting = [](const char*) -> const char* { return nullptr; };
    void* lib = dlopen(GEMS_LIB_DIR "/libgems_cpu.so", RTLD_NOW | RTLD_LOCAL);
    if (!lib) return static_cast<const gems_backend*>(nullptr);
    return reinterpret_cast<gems_backend_entry_fn>(dlsym(lib, "gems_backend_entry"))(&host);
  }();
  return backend;
}

inline double round_to(int dtype, double v) {
  switch (dtype) {
    case GEMS_F32: return static_cast<float>(v);
    case GEMS_F16: return static_cast<double>(static_cast<_Float16>(static_cast<float>(v)));
    case GEMS_BF16: {
      const float f = static_cast<float>(v);
      if (f != f) return kNan;
      uint32_t u = std::bit_cast<uint32_t>(f);
      u = (u + 0x7fff + (u >> 16 & 1)) & 0xffff0000u;
      return std::bit_cast<float>(u);
    }
    default: return v;
  }
}
// Unit in the last place relative to 1, halved: what rounding to the dtype may cost.
inline double epsilon(int dtype) {
  return dtype == GEMS_BF16  ? 0x1p-8
         : dtype == GEMS_F16 ? 0x1p-11
         : dtype == GEMS_F32 ? 0x1p-24
         : dtype == GEMS_F64 ? 0x1p-53
                             : 0;
}

// What storing `v` in the dtype may change.
inline double rounding(int dtype, double v) { return 1.01 * epsilon(dtype) * std::fabs(v) + (dtype == GEMS_F16 ? 0x1p-25 : 0); }

// A tensor of its own memory. `order` lists the dimensions from the slowest to the fastest in memory; `gap` is the stride of the fastest.
class Tensor {
 public:
  Tensor(int dtype, std::vector<int64_t> sizes, std::vector<int> order = {}, int64_t gap = 1)
      : dtype_(dtype), sizes_(std::move(sizes)), strides_(sizes_.size()) {
    if (order.empty()) {
      order.resize(sizes_.size());
      std::iota(order.begin(), order.end(), 0);
    }
    int64_t s = gap;
    for (auto d = order.rbegin(); d != order.rend(); ++d) {
      strides_[*d] = s;
      s *= std::max<int64_t>(sizes_[*d], 1);
    }
    memory_.assign(static_cast<size_t>(std::max<int64_t>(s, 1)) * dtype_size(dtype) + 64, 0xa5);
  }

  int dtype() const { return dtype_; }
  int64_t numel() const { return std::accumulate(sizes_.begin(), sizes_.end(), int64_t{1}, std::multiplies<>()); }
  const std::vector<int64_t>& sizes() const { return sizes_; }
  const std::vector<int64_t>& strides() const { return strides_; }
  void expand(int d) { strides_[d] = 0; }  // every index along d is the same element

  int64_t offset(int64_t i) const {  // of the i-th element in row-major order
    int64_t o = 0;
    for (int d = static_cast<int>(sizes_.size()) - 1; d >= 0; d--) {
      o += i % sizes_[d] * strides_[d];
      i /= sizes_[d];
    }
    return o;
  }
  double at(int64_t i) const {
    const unsigned char* p = memory_.data() + offset(i) * dtype_size(dtype_);
    auto read = [&](auto v) {
      std::memcpy(&v, p, sizeof v);
      return v;
    };
    switch (dtype_) {
      case GEMS_U8:
      case GEMS_BOOL: return read(uint8_t{});
      case GEMS_I8: return read(int8_t{});
      case GEMS_I16: return read(int16_t{});
      case GEMS_I32: return read(int32_t{});
      case GEMS_I64: return static_cast<double>(read(int64_t{}));
      case GEMS_F16: return static_cast<double>(read(_Float16{}));
      case GEMS_BF16: return std::bit_cast<float>(static_cast<uint32_t>(read(uint16_t{})) << 16);
      case GEMS_F32: return read(float{});
      default: return read(double{});
    }
  }
  void set(int64_t i, double v) {
    unsigned char* p = memory_.data() + offset(i) * dtype_size(dtype_);
    auto write = [&](auto x) { std::memcpy(p, &x, sizeof x); };
    switch (dtype_) {
      case GEMS_U8: return write(static_cast<uint8_t>(v));
      case GEMS_BOOL: return write(static_cast<uint8_t>(v != 0));
      case GEMS_I8: return write(static_cast<int8_t>(v));
      case GEMS_I16: return write(static_cast<int16_t>(v));
      case GEMS_I32: return write(static_cast<int32_t>(v));
      case GEMS_I64: return write(static_cast<int64_t>(v));
      case GEMS_F16: return write(static_cast<_Float16>(static_cast<float>(v)));
      case GEMS_BF16:
        return write(static_cast<uint16_t>(std::bit_cast<uint32_t>(static_cast<float>(round_to(GEMS_BF16, v))) >> 16));
      case GEMS_F32: return write(static_cast<float>(v));
      default: return write(v);
    }
  }
  // Uniform in [lo, hi), reproducible.
  Tensor& fill(double lo, double hi, uint64_t seed = 1) {
    uint64_t x = seed * 0x9e3779b97f4a7c15ULL + 1;
    for (int64_t i = 0, n = numel(); i < n; i++) {
      x ^= x << 13;
      x ^= x >> 7;
      x ^= x << 17;
      set(i, lo + (hi - lo) * static_cast<double>(x >> 11) * 0x1p-53);
    }
    return *this;
  }
  std::vector<double> values() const {
    std::vector<double> v(numel());
    for (size_t i = 0; i < v.size(); i++) v[i] = at(static_cast<int64_t>(i));
    return v;
  }
  std::vector<unsigned char> bytes() const { return memory_; }
  // The memory that no element covers is as it was made.
  bool gaps_untouched() const {
    std::vector<bool> covered(memory_.size());
    const int size = dtype_size(dtype_);
    for (int64_t i = 0, n = numel(); i < n; i++) std::fill_n(covered.begin() + offset(i) * size, size, true);
    for (size_t b = 0; b < memory_.size(); b++)
      if (!covered[b] && memory_[b] != 0xa5) return false;
    return true;
  }
  gems_tensor ref() {
    gems_tensor t{};
    t.data = memory_.data();
    t.sizes = sizes_.data();
    t.strides = strides_.data();
    t.numel = numel();
    t.ndim = static_cast<int32_t>(sizes_.size());
    t.dtype = static_cast<int8_t>(dtype_);
    t.device_type = GEMS_CPU;
    int64_t s = 1;
    bool dense = true;
    for (int d = t.ndim - 1; d >= 0; d--) {
      dense = dense && (sizes_[d] == 1 || strides_[d] == s);
      s *= sizes_[d];
    }
    t.flags = dense ? GEMS_T_CONTIGUOUS : 0;
    return t;
  }

 private:
  int dtype_;
  std::vector<int64_t> sizes_, strides_;
  std::vector<unsigned char> memory_;
};

// An optional argument that wasn't given; for outputs the binding still names a shape.
inline gems_tensor absent(Tensor* like = nullptr) {
  gems_tensor t{};
  if (like) t = like->ref();
  t.data = nullptr;
  t.flags = GEMS_T_ABSENT;
  return t;
}

inline int compute_for(int dtype) { return dtype == GEMS_F64 ? GEMS_F64 : dtype_is_float(dtype) ? GEMS_F32 : GEMS_I64; }

inline gems_call make_call(const char* op, std::vector<gems_tensor> outs, std::vector<gems_tensor> ins, int compute) {
  gems_call call{};
  call.op = op_find(op);
  if (!call.op) ADD_FAILURE() << "no operator " << op;
  call.nout = static_cast<int32_t>(outs.size());
  call.nin = static_cast<int32_t>(ins.size());
  call.compute = static_cast<int8_t>(compute);
  std::copy(outs.begin(), outs.end(), call.t);
  std::copy(ins.begin(), ins.end(), call.t + call.nout);
  return call;
}

// Each test body runs once for every instruction set that the machine has.
class Family : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    ASSERT_NE(cpu(), nullptr) << dlerror();
    cpu()->force_variant(GetParam());
  }
  void TearDown() override {
    cpu()->force_variant(-1);
    g_threads = 3;
  }
};
inline std::vector<int> instruction_sets() {
  std::vector<int> v;
  for (int i = 0; cpu() && cpu()->variant_name(i); i++) v.push_back(i);
  return v;
}
inline std::string variant_label(const testing::TestParamInfo<int>& p) {
  std::string s = cpu()->variant_name(p.param);
  std::erase_if(s, [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); });
  return s;
}
#define GEMS_EVERY_INSTRUCTION_SET \
  INSTANTIATE_TEST_SUITE_P(Isa, Family, testing::ValuesIn(gems::test::instruction_sets()), gems::test::variant_label)

// |got - want| within tolerance, NaN equal to NaN.
inline testing::AssertionResult close(double got, double want, double tolerance) {
  if (std::isnan(want) ? std::isnan(got) : got == want || std::fabs(got - want) <= tolerance) return testing::AssertionSuccess();
  return testing::AssertionFailure() << got << " instead of " << want << " +- " << tolerance;
}

}  // namespace gems::test
