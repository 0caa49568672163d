// The CUDA planners and skeletons of the one-to-one families, end to end without a GPU: the planners' calls behind jit.h are answered
// here by compiling the same unit for the host and running its grid thread by thread. What this can't see: NVRTC's own view of the
// text (nvrtc_check) and the memory model of a GPU.
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <numeric>
#include <random>

#include "backends/cuda/geometry.h"
#include "backends/cuda/internal.h"
#include "core/plan/plan.h"
#include "core/registry.h"

namespace gems::cuda {
namespace {

// What a unit sees of CUDA on the host. Kernels that synchronise run their 256 threads as real ones, a block at a time.
const char* const kPrelude = R"(
#include <atomic>
#include <barrier>
#include <thread>
#include <vector>
#define __device__
#define __global__
#define __grid_constant__
#define __launch_bounds__(...)
#define __shared__ static
struct Dim { unsigned x = 0, y = 0, z = 0; };
static thread_local Dim threadIdx, blockIdx;
static Dim gridDim;
static bool trapped = false;
static void __trap() { trapped = true; }
static std::barrier<>* block_barrier = nullptr;
static void __syncthreads() { if (block_barrier) block_barrier->arrive_and_wait(); }
static std::atomic<int> any_thread;
static int __syncthreads_or(int p) {
  any_thread = 0; __syncthreads(); if (p) any_thread = 1; __syncthreads(); int r = any_thread; __syncthreads(); return r;
}
static std::atomic<unsigned> warp_bits[32];
static unsigned __ballot_sync(unsigned, int p) {
  auto& w = warp_bits[threadIdx.x / 32];
  w = 0; __syncthreads(); if (p) w |= 1u << threadIdx.x % 32; __syncthreads(); unsigned r = w; __syncthreads(); return r;
}
static int __ffs(int x) { return __builtin_ffs(x); }
static int __popc(unsigned x) { return __builtin_popcount(x); }
static unsigned lane_values[1024];
static unsigned shuffle(unsigned x, unsigned from) {
  lane_values[threadIdx.x] = x; __syncthreads(); unsigned r = lane_values[from]; __syncthreads(); return r;
}
static unsigned __shfl_xor_sync(unsigned, unsigned x, unsigned m) { return shuffle(x, threadIdx.x ^ m); }
static unsigned __shfl_up_sync(unsigned, unsigned x, unsigned d) { return shuffle(x, threadIdx.x % 32 >= d ? threadIdx.x - d : threadIdx.x); }
template <class T> static T atomicCAS(T* p, T old, T now) { T seen = *p; if (seen == old) *p = now; return seen; }  // one thread at a time
)";
const char* const kEpilogue = R"(
extern "C" bool gems_run(const void* args, unsigned gx, unsigned gy, unsigned block, bool threads) {
  gridDim = Dim{gx, gy, 1};
  trapped = false;
  const auto& a = *static_cast<const ARGS*>(args);
  for (unsigned y = 0; y < gy; y++)
    for (unsigned x = 0; x < gx; x++) {
      auto one = [&](unsigned t) { blockIdx = Dim{x, y, 0}; threadIdx = Dim{t, 0, 0}; gems_kernel(a); };
      if (!threads) { for (unsigned t = 0; t < block; t++) one(t); continue; }
      std::barrier<> b(block);
      block_barrier = &b;
      std::vector<std::jthread> all;
      for (unsigned t = 0; t < block; t++) all.emplace_back([&, t] { one(t); b.arrive_and_drop(); });
      all.clear();
      block_barrier = nullptr;
    }
  return !trapped;
}
)";

// Objects stay until the end: the loader knows an open one by its inode, and a deleted file's inode is soon another's.
struct TempDir {
  std::string path;
  int units = 0;
  TempDir() {
    char name[] = "/tmp/gems_planner_test_XXXXXX";
    path = mkdtemp(name) ? name : ".";
  }
  ~TempDir() {
    for (int i = 0; i < units; i++)
      for (const char* suffix : {".cpp", ".so"}) std::remove((path + "/" + std::to_string(i) + suffix).c_str());
    rmdir(path.c_str());
  }
};

struct HostKernel : OwnedKernel {
  bool (*run)(const void*, unsigned, unsigned, unsigned, bool) = nullptr;
  bool threads = false;
};
Device g_device;
std::map<std::array<uint64_t, 3>, std::unique_ptr<HostKernel>> g_kernels;
std::string g_last_body;
const char* g_reason = "";

}  // namespace

const gems_host& host() {
  static const gems_host h{};
  return h;
}
const Device* device_of(const gems_call*) {
  g_device.sm_count = 1;  // large calls begin at a few thousand elements
  return &g_device;
}
const Kernel* find_kernel(const Device*, const KernelKey& key) {
  const auto i = g_kernels.find({key.w[0], key.w[1], key.w[2]});
  if (i == g_kernels.end()) return nullptr;
  g_last_body = i->second->label;
  return i->second.get();
}
bool deferred(const Device*, const KernelKey&) { return false; }
const Kernel* build_kernel(const Device*, const KernelKey& key, const KernelSource& src) {
  static TempDir dir;
  const std::string stem = dir.path + "/" + std::to_string(dir.units++);
  // The sources come from the tree; the prelude goes first, so that nothing of the standard library lands in a namespace.
  std::ofstream(stem + ".cpp") << kPrelude << unit_text(src) << "#define ARGS " << src.args_type << kEpilogue;
  const std::string command = std::string(GEMS_CXX) +
                              " -std=c++20 -O0 -w -shared -fPIC -pthread -I" GEMS_SOURCE_DIR " -I" GEMS_SOURCE_DIR "/include " +
                              stem + ".cpp -o " + stem + ".so";
  void* lib = std::system(command.c_str()) == 0 ? dlopen((stem + ".so").c_str(), RTLD_NOW | RTLD_LOCAL) : nullptr;
  EXPECT_NE(lib, nullptr) << src.body;
  if (!lib) return nullptr;
  auto k = std::make_unique<HostKernel>();
  k->run = reinterpret_cast<decltype(k->run)>(dlsym(lib, "gems_run"));
  for (const char* waiting : {"tiled<", "embedding_grad<", "::mark<", "scan_counts<", "::nonzero<", "masked_move<"})
    k->threads = k->threads || src.body.find(waiting) != std::string::npos;
  k->label = g_last_body = src.body;
  return (g_kernels[{key.w[0], key.w[1], key.w[2]}] = std::move(k)).get();
}
gems_status launch(const gems_call*, const Kernel* k, unsigned gx, unsigned gy, unsigned, unsigned block, unsigned,
                   const void* args) {
  const auto* h = static_cast<const HostKernel*>(k);
  return h->run(args, gx, gy, block, h->threads) ? GEMS_OK : failed("trap");
}
gems_status unsupported(const char* reason) {
  g_reason = reason;
  return GEMS_UNSUPPORTED;
}
gems_status failed(const std::string&) { return GEMS_FAILED; }
const char* cuda_type(int dtype) {
  static const std::map<int, const char*> names{
      {GEMS_U8, "unsigned char"}, {GEMS_I8, "signed char"},  {GEMS_I16, "short"}, {GEMS_I32, "int"},    {GEMS_I64, "gems::i64"},
      {GEMS_F16, "gems::f16"},    {GEMS_BF16, "gems::bf16"}, {GEMS_F32, "float"}, {GEMS_F64, "double"}, {GEMS_BOOL, "bool"}};
  return names.at(dtype);
}

namespace {

// ---- tensors ----

typedef std::vector<int64_t> Ints;
// Memory as a framework's: aligned to more than the widest vector.
template <class T> struct Aligned {
  typedef T value_type;
  Aligned() = default;
  template <class U> Aligned(const Aligned<U>&) {}
  T* allocate(size_t n) { return static_cast<T*>(std::aligned_alloc(64, (n * sizeof(T) + 63) / 64 * 64)); }
  void deallocate(T* p, size_t) { std::free(p); }
  bool operator==(const Aligned&) const { return true; }
};
typedef std::vector<unsigned char, Aligned<unsigned char>> Bytes;

struct Tensor {
  int dtype = GEMS_F32;
  Ints sizes, strides;
  int64_t offset = 0;  // elements before the first
  std::shared_ptr<Bytes> memory;
  bool number = false;
  double value = 0;

  char* at(int64_t element) const { return (char*)memory->data() + 64 + (offset + element) * dtype_size(dtype); }
  gems_tensor view() const {
    gems_tensor t{};
    t.dtype = (int8_t)dtype;
    t.device_type = GEMS_CUDA;
    t.sizes = sizes.data();
    t.strides = strides.data();
    t.ndim = (int)sizes.size();
    t.numel = std::accumulate(sizes.begin(), sizes.end(), (int64_t)1, std::multiplies<>());
    if (number) {
      t.flags = GEMS_T_SCALAR;
      if (dtype_is_float(dtype)) t.imm.d = value;
      else t.imm.i = (int64_t)value;
      return t;
    }
    t.data = at(0);
    int64_t dense = 1;
    bool contiguous = true;
    for (int d = t.ndim - 1; d >= 0; d--) contiguous &= strides[d] == dense || sizes[d] == 1, dense *= sizes[d];
    if (contiguous) t.flags = GEMS_T_CONTIGUOUS;
    return t;
  }
};

double load(int dtype, const char* p) {
  const auto as = [&](auto x) {
    memcpy(&x, p, sizeof x);
    return (double)x;
  };
  switch (dtype) {
    case GEMS_U8: return as(uint8_t());
    case GEMS_BOOL: return as(uint8_t()) != 0;
    case GEMS_I8: return as(int8_t());
    case GEMS_I16: return as(int16_t());
    case GEMS_I32: return as(int32_t());
    case GEMS_I64: return as(int64_t());
    case GEMS_F32: return as(float());
    case GEMS_F64: return as(double());
    default: {
      uint16_t b;
      memcpy(&b, p, 2);
      if (dtype == GEMS_BF16) {
        const uint32_t u = (uint32_t)b << 16;
        float f;
        memcpy(&f, &u, 4);
        return f;
      }
      _Float16 h;
      memcpy(&h, &b, 2);
      return (double)h;
    }
  }
}
void store(int dtype, char* p, double v) {
  const auto as = [&](auto x) { memcpy(p, &x, sizeof x); };
  switch (dtype) {
    case GEMS_U8: return as((uint8_t)(int64_t)v);
    case GEMS_BOOL: return as((uint8_t)(v != 0));
    case GEMS_I8: return as((int8_t)v);
    case GEMS_I16: return as((int16_t)v);
    case GEMS_I32: return as((int32_t)v);
    case GEMS_I64: return as((int64_t)v);
    case GEMS_F32: return as((float)v);
    case GEMS_F64: return as(v);
    case GEMS_F16: return as((_Float16)v);
    default: {  // values of these tests are exact in bfloat16
      const float f = (float)v;
      uint32_t u;
      memcpy(&u, &f, 4);
      return as((uint16_t)(u >> 16));
    }
  }
}

std::mt19937 g_random(1);

// `strides` empty: dense. Values are small integers, exact in every dtype.
Tensor tensor(int dtype, Ints sizes, Ints strides = {}, int64_t offset = 0) {
  Tensor t;
  t.dtype = dtype;
  if (strides.empty()) {
    strides.resize(sizes.size());
    int64_t s = 1;
    for (int d = (int)sizes.size() - 1; d >= 0; d--) strides[d] = s, s *= sizes[d];
  }
  int64_t reach = 1;
  for (size_t d = 0; d < sizes.size(); d++) reach += (sizes[d] - 1) * strides[d];
  t.sizes = sizes;
  t.strides = strides;
  t.offset = offset;
  t.memory = std::make_shared<Bytes>((offset + reach) * dtype_size(dtype) + 128, 0x5a);
  for (int64_t i = 0; i < reach; i++) store(dtype, t.at(i), dtype == GEMS_BOOL ? g_random() % 2 : g_random() % 60);
  return t;
}
Tensor number(int dtype, double v) {
  Tensor t;
  t.dtype = dtype;
  t.number = true;
  t.value = v;
  return t;
}

// The element offset of index i (row-major over `sizes`), with broadcasting.
int64_t offset_of(const Tensor& t, const Ints& sizes, int64_t i) {
  int64_t r = 0;
  for (int d = (int)sizes.size() - 1; d >= 0; d--) {
    const int64_t c = i % sizes[d];
    i /= sizes[d];
    const int own = d - (int)(sizes.size() - t.sizes.size());
    if (own >= 0 && t.sizes[own] != 1) r += c * t.strides[own];
  }
  return r;
}

int64_t count(const Ints& sizes) { return std::accumulate(sizes.begin(), sizes.end(), (int64_t)1, std::multiplies<>()); }

int16_t g_candidate = 0;  // of the calls that follow

// Runs `op` on the planner and compares with f, element by element; bytes of the output's memory that aren't elements must stay.
void check(const char* op, int compute, Tensor out, std::vector<Tensor> in, std::function<double(const double*)> f,
           const char* expect_body, std::vector<double> par = {}) {
  SCOPED_TRACE(std::string(op) + " " + expect_body);
  gems_call c{};
  c.op = op_find(op);
  ASSERT_NE(c.op, nullptr);
  c.nout = 1;
  c.nin = (int)in.size();
  c.npar = (int)par.size();
  c.compute = (int8_t)compute;
  c.candidate = g_candidate;
  for (size_t i = 0; i < par.size(); i++) {
    if (dtype_is_float(compute)) c.par[i].d = par[i];
    else c.par[i].i = (int64_t)par[i];
  }
  c.t[0] = out.view();
  for (size_t k = 0; k < in.size(); k++) c.t[1 + k] = in[k].view();
  ASSERT_EQ(build_pointwise(c), Plan::ok) << plan_reason();
  Bytes want = *out.memory;
  std::vector<double> values;
  Tensor copy = out;
  copy.memory = std::make_shared<Bytes>(want);
  const int64_t n = count(out.sizes);
  for (int64_t i = 0; i < n; i++) {
    double x[8];
    for (size_t k = 0; k < in.size(); k++)
      x[k] = in[k].number ? in[k].value : load(in[k].dtype, in[k].at(offset_of(in[k], out.sizes, i)));
    values.push_back(f(x));
  }
  for (int64_t i = 0; i < n; i++) store(out.dtype, copy.at(offset_of(out, out.sizes, i)), values[i]);
  g_last_body.clear();
  ASSERT_EQ(run_pointwise(&c), GEMS_OK) << g_reason;
  EXPECT_NE(g_last_body.find(expect_body), std::string::npos) << g_last_body;
  if (*copy.memory == *out.memory) return;
  int shown = 0;
  for (int64_t i = 0; i < n && shown < 5; i++) {
    const int64_t at = offset_of(out, out.sizes, i);
    const double got = load(out.dtype, out.at(at));
    if (got != load(out.dtype, copy.at(at)))
      ADD_FAILURE() << "element " << i << ": " << got << ", expected " << values[i], shown++;
  }
  if (!shown) ADD_FAILURE() << "memory outside of the output was written";
}

double add(const double* x) { return x[0] + 2 * x[1]; }
double same(const double* x) { return x[0]; }

TEST(CudaPointwise, Contiguous) {
  for (int64_t n : {1, 7, 8, 255, 4099, 20000})  // tails, one vector, large
    check("add", GEMS_F32, tensor(GEMS_BF16, {n}), {tensor(GEMS_BF16, {n}), tensor(GEMS_BF16, {n})}, add,
          "contiguous<op::add, float, 256, 8, 1", {2});
  check("add", GEMS_F32, tensor(GEMS_F32, {}), {tensor(GEMS_F32, {}), tensor(GEMS_F32, {})}, add, "", {2});
  check("add", GEMS_I64, tensor(GEMS_I64, {1001}), {tensor(GEMS_I64, {1001}), number(GEMS_I64, 5)}, add,
        "contiguous<op::add, gems::i64, 256, 2", {2});
  check("add", GEMS_F32, tensor(GEMS_F32, {9001}), {tensor(GEMS_F32, {9001}), number(GEMS_F64, 1.5)}, add,
        "contiguous<op::add, float, 256, 4", {2});
}

TEST(CudaPointwise, Variants) {
  const struct {
    gems_knobs knobs;
    const char *flat, *broadcast;
  } all[] = {{{1, 0, 1, 0}, "float, 128, 4, 2", "float, 128, 4, 2"},
             {{2, 1, 0, 0}, "float, 256, 8, 1", "float, 256, 8, 1"},
             {{3, 3, 0, 0}, "float, 256, 16, 4", "float, 256, 16, 4"},
             {{0, 4, 3, 0}, "float, 512, 8, 8", "float, 512, 8, 8"}};
  for (const auto& v : all) {
    g_candidate = gems_variant(v.knobs);
    for (int64_t n : {3, 4099, 40000})
      check("add", GEMS_F32, tensor(GEMS_BF16, {n}), {tensor(GEMS_BF16, {n}), tensor(GEMS_BF16, {n})}, add, v.flat, {2});
    check("add", GEMS_F32, tensor(GEMS_BF16, {133, 64}), {tensor(GEMS_BF16, {133, 64}), tensor(GEMS_BF16, {64})}, add,
          v.broadcast, {2});
    // As far as addresses allow it.
    check("add", GEMS_F32, tensor(GEMS_BF16, {999}), {tensor(GEMS_BF16, {999}, {}, 1), tensor(GEMS_BF16, {999})}, add, ", 1, ",
          {2});
  }
  g_candidate = gems_variant({1, 0, 0, 0});
  check("copy", GEMS_F32, tensor(GEMS_BF16, {96, 264}), {tensor(GEMS_BF16, {96, 264}, {1, 96})}, same,
        "transposed<op::copy, short, 4");
  g_candidate = gems_variant({4, 0, 0, 0});
  check("copy", GEMS_F32, tensor(GEMS_BF16, {96, 264}), {tensor(GEMS_BF16, {96, 264}, {1, 96})}, same, "tiled<op::copy");
  g_candidate = 0;
}

TEST(CudaPointwise, MisalignedAddressesGetNarrowerVectors) {
  check("add", GEMS_F32, tensor(GEMS_BF16, {999}), {tensor(GEMS_BF16, {999}, {}, 4), tensor(GEMS_BF16, {999})}, add, "256, 4, ",
        {2});
  check("add", GEMS_F32, tensor(GEMS_BF16, {999}, {}, 1), {tensor(GEMS_BF16, {999}), tensor(GEMS_BF16, {999})}, add, "256, 1, ",
        {2});
}

TEST(CudaPointwise, InPlace) {
  Tensor x = tensor(GEMS_F32, {5000});
  check("add", GEMS_F32, x, {x, tensor(GEMS_F32, {5000})}, add, "contiguous", {2});
  Tensor y = tensor(GEMS_F32, {64, 64});
  check("add", GEMS_F32, y, {y, tensor(GEMS_F32, {64, 64}, {1, 64})}, add, "transposed", {2});
}

TEST(CudaPointwise, Broadcast) {
  check("add", GEMS_F32, tensor(GEMS_BF16, {33, 64}), {tensor(GEMS_BF16, {33, 64}), tensor(GEMS_BF16, {64})}, add,
        "strided<op::add, float, 256, 8", {2});
  check("add", GEMS_F32, tensor(GEMS_BF16, {300, 64}), {tensor(GEMS_BF16, {300, 64}), tensor(GEMS_BF16, {300, 1})}, add,
        "In<gems::bf16, 1>", {2});
  check("add", GEMS_F32, tensor(GEMS_BF16, {33, 65}), {tensor(GEMS_BF16, {33, 65}), tensor(GEMS_BF16, {65})}, add, "256, 1, ",
        {2});
  check("add", GEMS_F32, tensor(GEMS_F32, {1 << 13}), {tensor(GEMS_F32, {1 << 13}), tensor(GEMS_F32, {1})}, add, "strided", {2});
  check("add", GEMS_I64, tensor(GEMS_I64, {3, 4, 5, 6}), {tensor(GEMS_I64, {3, 1, 5, 1}), tensor(GEMS_I64, {4, 1, 6})}, add,
        "strided", {2});
}

TEST(CudaPointwise, PaddedRowsAndSlices) {
  check("add", GEMS_F32, tensor(GEMS_BF16, {40, 48}, {64, 1}),
        {tensor(GEMS_BF16, {40, 48}, {80, 1}), tensor(GEMS_BF16, {40, 48}, {56, 1}, 8)}, add, "strided<op::add, float, 256, 8",
        {2});
  check("add", GEMS_F32, tensor(GEMS_BF16, {40, 48}, {96, 2}),
        {tensor(GEMS_BF16, {40, 48}, {144, 3}), tensor(GEMS_BF16, {40, 48})}, add, "256, 1, ", {2});
  check("copy", GEMS_F32, tensor(GEMS_F32, {2, 3, 5, 7, 4}, {900, 301, 60, 8, 1}), {tensor(GEMS_F32, {2, 3, 5, 7, 4})}, same,
        "strided");
}

TEST(CudaPointwise, Transposed) {
  check("copy", GEMS_F32, tensor(GEMS_BF16, {96, 264}), {tensor(GEMS_BF16, {96, 264}, {1, 96})}, same,
        "transposed<op::copy, short, 8");
  check("copy", GEMS_F32, tensor(GEMS_F32, {96, 260}), {tensor(GEMS_F32, {96, 260}, {1, 96})}, same,
        "transposed<op::copy, int, 4");
  check("copy", GEMS_I64, tensor(GEMS_I64, {34, 70}), {tensor(GEMS_I64, {34, 70}, {1, 34})}, same,
        "transposed<op::copy, gems::i64, 2");
  check("add", GEMS_F32, tensor(GEMS_F32, {3, 40, 72}),
        {tensor(GEMS_BF16, {3, 40, 72}, {2880, 1, 40}), tensor(GEMS_F32, {3, 40, 72})}, add, "transposed", {2});
  check("add", GEMS_F32, tensor(GEMS_BF16, {40, 72}), {tensor(GEMS_BF16, {40, 72}, {1, 48}), tensor(GEMS_BF16, {40, 1})}, add,
        "transposed", {2});
  check(
      "where", GEMS_F32, tensor(GEMS_BF16, {320, 328}),
      {tensor(GEMS_BOOL, {320, 328}, {1, 320}), tensor(GEMS_BF16, {320, 328}), tensor(GEMS_BF16, {320, 328}, {1, 320})},
      [](const double* x) { return x[0] ? x[1] : x[2]; }, "transposed");
}

TEST(CudaPointwise, TransposedWithoutVectors) {
  check("copy", GEMS_F32, tensor(GEMS_BF16, {35, 67}), {tensor(GEMS_BF16, {35, 67}, {1, 35})}, same, "tiled");
  check("add", GEMS_F32, tensor(GEMS_BF16, {2, 35, 33}),
        {tensor(GEMS_BF16, {2, 35, 33}, {1155, 1, 35}), tensor(GEMS_BF16, {2, 35, 33}, {1155, 1, 35})}, add, "tiled", {2});
}

TEST(CudaPointwise, Conversions) {
  const std::vector<int> all{GEMS_F32, GEMS_BF16, GEMS_F16, GEMS_F64, GEMS_I64, GEMS_I32, GEMS_U8, GEMS_BOOL};
  for (size_t i = 0; i < all.size(); i++) {  // a ring: every dtype is once a source and once a target
    const int from = all[i], to = all[(i + 1) % all.size()];
    const int compute = from == GEMS_BF16 || from == GEMS_F16 ? GEMS_F32 : from == GEMS_U8 ? GEMS_I64 : from;
    check("copy", compute, tensor(to, {1003}), {tensor(from, {1003})}, same, "contiguous<op::copy");
  }
  check(
      "eq", GEMS_F32, tensor(GEMS_BOOL, {1003}), {tensor(GEMS_BF16, {1003}), tensor(GEMS_BF16, {1003})},
      [](const double* x) { return x[0] == x[1]; }, "contiguous<op::eq, float, 256, 8");
  Tensor minus = tensor(GEMS_F32, {5});
  for (int i = 0; i < 5; i++) store(GEMS_F32, minus.at(i), -1 - i);
  check("copy", GEMS_F32, tensor(GEMS_U8, {5}), {minus}, same, "");  // torch: -1.0 becomes 255
}

// Plans and runs `op` as a binding does: the values of the result.
std::vector<double> planned(const char* op, std::vector<Tensor> in, const char* expect_body = "") {
  gems_call c{};
  c.op = op_find(op);
  c.nout = 1;
  c.nin = (int)in.size();
  c.npar = c.op->par;
  for (int i = 0; i < c.npar; i++) c.par[i].i = 1;  // integer computation only
  c.t[0].device_type = GEMS_CUDA;
  for (size_t k = 0; k < in.size(); k++) c.t[1 + k] = in[k].view();
  PointwiseOptions options;
  OutMeta meta;
  EXPECT_EQ(plan_pointwise(c, options, meta), Plan::ok) << plan_reason();
  Tensor out = tensor(meta.dtype, Ints(meta.sizes, meta.sizes + meta.ndim));
  c.t[0] = out.view();
  EXPECT_EQ(build_pointwise(c), Plan::ok) << plan_reason();
  g_last_body.clear();
  EXPECT_EQ(run_pointwise(&c), GEMS_OK) << g_reason;
  EXPECT_NE(g_last_body.find(expect_body), std::string::npos) << g_last_body;
  std::vector<double> r;
  for (int64_t i = 0; i < count(out.sizes); i++) r.push_back(load(out.dtype, out.at(i)));
  return r;
}
Tensor values(int dtype, Ints sizes, std::vector<double> v) {
  Tensor t = tensor(dtype, sizes);
  for (size_t i = 0; i < v.size(); i++) store(dtype, t.at((int64_t)i), v[i]);
  return t;
}

// torch converts every operand to the common dtype before it computes; our compute types are wider.
TEST(CudaPointwise, OperandsPassThroughTheCommonDtype) {
  typedef std::vector<double> V;
  // 0-d operands take no part in promotion: int8 -3 is 253 in uint8, int64 300 is 44 in int8.
  EXPECT_EQ(planned("maximum", {values(GEMS_U8, {3}, {1, 2, 254}), values(GEMS_I8, {}, {-3})}), (V{253, 253, 254}));
  EXPECT_EQ(planned("maximum", {values(GEMS_I8, {}, {-3}), values(GEMS_U8, {3}, {1, 2, 254})}), (V{253, 253, 254}));
  EXPECT_EQ(planned("maximum", {values(GEMS_I8, {3}, {1, 50, -4}), values(GEMS_I64, {}, {300})}), (V{44, 50, 44}));
  EXPECT_EQ(planned("maximum", {values(GEMS_I8, {2}, {1, -100}), values(GEMS_U8, {}, {200})}), (V{1, -56}));
  EXPECT_EQ(planned("eq", {values(GEMS_I8, {3}, {44, 50, -4}), values(GEMS_I64, {}, {300})}), (V{1, 0, 0}));
  EXPECT_EQ(planned("clamp", {values(GEMS_U8, {3}, {1, 2, 254}), values(GEMS_I8, {}, {-3}), values(GEMS_I16, {}, {510})}),
            (V{253, 253, 254}));
  // Floating point: rounded first, whatever the operand was.
  EXPECT_EQ(planned("eq", {values(GEMS_BF16, {2}, {1, 1.0078125}), values(GEMS_F32, {}, {1.00390625})}), (V{1, 0}));
  EXPECT_EQ(planned("eq", {values(GEMS_BF16, {2}, {256, 258}), values(GEMS_I32, {2}, {257, 257})}), (V{1, 0}));
  EXPECT_EQ(planned("eq", {values(GEMS_F16, {2}, {4096, 4100}), values(GEMS_I64, {2}, {4097, 4097})}), (V{1, 0}));
  EXPECT_EQ(planned("eq", {values(GEMS_F16, {1}, {INFINITY}), values(GEMS_BF16, {}, {131072})}), (V{1}));
  EXPECT_EQ(planned("where", {values(GEMS_BOOL, {2}, {1, 0}), values(GEMS_F16, {2}, {3, 3}), values(GEMS_I64, {}, {70000})}),
            (V{3, INFINITY}));
  // What the common dtype holds exactly needs no detour, and the skeletons stay the same.
  EXPECT_EQ(planned("mul", {values(GEMS_BF16, {2}, {3, 2}), values(GEMS_U8, {2}, {255, 1})}, "bf16, gems::simt::In<gems::bf16"),
            (V{764, 2}));
}

// The same in every skeleton, with vectors and tails.
TEST(CudaPointwise, ConversionThroughTheCommonDtypeInEverySkeleton) {
  const auto wrapped = [](double v) { return (double)(int8_t)(int64_t)v; };
  for (const Ints& sizes : {Ints{1003}, Ints{16, 40}, Ints{33, 37}}) {
    Tensor x = tensor(GEMS_I8, sizes), y = values(GEMS_I64, {}, {300});
    if (sizes.size() == 2) {
      x = tensor(GEMS_I8, sizes, {1, sizes[0]});
      Tensor z = tensor(GEMS_I8, sizes);
      const auto got = planned("where", {tensor(GEMS_BOOL, sizes), x, y});
      ASSERT_EQ(got.size(), (size_t)count(sizes));
      const auto sum = planned("addcmul", {z, x, y});
      for (int64_t i = 0; i < count(sizes); i++)
        ASSERT_EQ(sum[i], wrapped(load(GEMS_I8, z.at(offset_of(z, sizes, i))) + load(GEMS_I8, x.at(offset_of(x, sizes, i))) * 44))
            << i;
      Tensor ones = tensor(GEMS_I32, sizes, {1, sizes[0]}), rounded = tensor(GEMS_BF16, sizes);
      for (int64_t i = 0; i < count(sizes); i++) store(GEMS_I32, ones.at(i), 257), store(GEMS_BF16, rounded.at(i), 256);
      EXPECT_EQ(planned("eq", {rounded, ones}), std::vector<double>(count(sizes), 1));
      continue;
    }
    const auto got = planned("maximum", {x, y});
    for (int64_t i = 0; i < count(sizes); i++) ASSERT_EQ(got[i], std::max(44., load(GEMS_I8, x.at(i)))) << i;
  }
}

TEST(CudaPointwise, SameDtypeCopyKeepsBits) {
  Tensor x = tensor(GEMS_F32, {16}), out = tensor(GEMS_F32, {16});
  const uint32_t nan = 0x7f812345;  // a signalling NaN with a payload
  memcpy(x.at(3), &nan, 4);
  gems_call c{};
  c.op = op_find("copy");
  c.nout = c.nin = 1;
  c.compute = GEMS_F32;
  c.t[0] = out.view();
  c.t[1] = x.view();
  ASSERT_EQ(build_pointwise(c), Plan::ok);
  ASSERT_EQ(run_pointwise(&c), GEMS_OK);
  EXPECT_EQ(memcmp(out.at(0), x.at(0), 64), 0);
}

// Offsets of 2^31 elements and more: the planner cuts the call. The memory is reserved, not used.
TEST(CudaPointwise, OffsetsBeyond32Bits) {
  const int64_t pitch = ((int64_t)1 << 31) + 4096;
  const size_t bytes = 2 * pitch + 4096;
  void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) GTEST_SKIP() << "no address space";
  const int64_t sizes[2] = {3, 1000}, strides[2] = {pitch, 1}, dense[2] = {1000, 1};
  Tensor in = tensor(GEMS_U8, {3, 1000});
  gems_call c{};
  c.op = op_find("copy");
  c.nout = c.nin = 1;
  c.compute = GEMS_I64;
  c.t[1] = in.view();
  c.t[0] = c.t[1];
  c.t[0].data = p;
  c.t[0].sizes = c.t[1].sizes = sizes;
  c.t[0].strides = strides;
  c.t[1].strides = dense;
  c.t[0].flags = 0;
  ASSERT_EQ(build_pointwise(c), Plan::ok);
  ASSERT_EQ(run_pointwise(&c), GEMS_OK) << g_reason;
  for (int r = 0; r < 3; r++) EXPECT_EQ(memcmp((char*)p + r * pitch, in.at(r * 1000), 1000), 0) << r;
  munmap(p, bytes);
}

TEST(CudaGeometry, CutPartsCoverTheSpace) {
  Space s;
  s.ndim = 3;
  s.nops = 2;
  const int64_t sizes[3] = {100000, 70000, 3}, st0[3] = {1, 100000, 7000000000}, st1[3] = {0, 1, 70000};
  for (int d = 0; d < 3; d++) s.size[d] = sizes[d], s.stride[0][d] = st0[d], s.stride[1][d] = st1[d];
  s.slot[0] = s.slot[1] = 0;
  s.log_size[0] = s.log_size[1] = 1;
  s.memory[0] = s.memory[1] = true;
  int64_t total = 0, last = 0;
  std::function<void(Space&)> walk = [&](Space& x) {
    if (x.fits_32_bits()) {
      total += x.numel();
      last =
          std::max<int64_t>(last, (int64_t)x.slot[0] / 2 + (x.size[0] - 1) + (x.size[1] - 1) * st0[1] + (x.size[2] - 1) * st0[2]);
      return;
    }
    Space rest;
    ASSERT_GE(x.cut(rest), 0);
    walk(x);
    walk(rest);
  };
  walk(s);
  EXPECT_EQ(total, sizes[0] * sizes[1] * sizes[2]);
  EXPECT_EQ(last, sizes[0] * sizes[1] * sizes[2] - 1);
}

TEST(CudaGeometry, DivisionByMultiplication) {
  std::vector<uint32_t> divisors{1, 2, 3, 5, 7, 641, 65535, 65536, 65537, 0x7ffffffe, 0x7fffffff};
  for (int i = 0; i < 2000; i++) divisors.push_back(1 + g_random() % 0x7fffffff);
  for (uint32_t d : divisors) {
    const DivConstants c = div_constants(d);
    const auto of = [&](uint32_t n) { return (uint32_t)((((uint64_t)n * c.mul >> 32) + n) >> c.shift); };
    const auto sum_fits = [&](uint32_t n) {
      return ((uint64_t)n * c.mul >> 32) + n <= UINT32_MAX;
    };  // the device adds in 32 bits
    std::vector<uint32_t> ns{0, 1, d - 1, d, 0x7fffffff};
    for (int i = 0; i < 200; i++) {
      const uint32_t q = g_random() % (0x7fffffffu / d + 1);
      ns.push_back(q * d);
      if (q > 0) ns.push_back(q * d - 1);
      ns.push_back(g_random() % 0x80000000u);
    }
    for (uint32_t n : ns)
      if (n <= 0x7fffffff) { ASSERT_TRUE(of(n) == n / d && sum_fits(n)) << n << " / " << d; }
  }
}

// ---- index ----

gems_status look_up(const Tensor& out, const Tensor& self, const Tensor& index, const Ints& self_strides,
                    const Ints& index_strides, int64_t step, int64_t limit) {
  gems_call c{};
  c.op = op_find("gather");
  c.candidate = g_candidate;
  c.nout = 1;
  c.nin = c.npar = 2;
  c.compute = GEMS_I64;
  c.par[0].i = step;
  c.par[1].i = limit;
  c.t[0] = out.view();
  c.t[1] = self.view();
  c.t[2] = index.view();
  const int64_t* strides[3] = {out.strides.data(), self_strides.data(), index_strides.data()};
  if (build_index(c, (int)out.sizes.size(), out.sizes.data(), strides) != Plan::ok) return GEMS_UNSUPPORTED;
  return run_index(&c);
}

TEST(CudaIndex, Rows) {  // embedding, index_select along dimension 0
  for (int dtype : {GEMS_BF16, GEMS_U8})
    for (int64_t width : {64, 65}) {
      Tensor self = tensor(dtype, {60, width}), index = tensor(GEMS_I64, {500}), out = tensor(dtype, {500, width});
      ASSERT_EQ(look_up(out, self, index, {0, 1}, {1, 0}, width, 60), GEMS_OK);
      EXPECT_NE(g_last_body.find(width == 65        ? "256, 1, 4"
                                 : dtype == GEMS_U8 ? "512, 16, 4"
                                                    : "256, 8, 4"),
                std::string::npos)
          << g_last_body;
      for (int64_t i = 0; i < 500; i++)
        ASSERT_EQ(memcmp(out.at(i * width), self.at((int64_t)load(GEMS_I64, index.at(i)) * width), width * dtype_size(dtype)), 0)
            << i;
    }
}

TEST(CudaIndex, Variants) {
  const struct {
    gems_knobs knobs;
    const char* body;
  } all[] = {{{1, 0, 1, 0}, "128, 4, 4"}, {{3, 1, 0, 0}, "512, 16, 1"}, {{0, 4, 3, 0}, "512, 8, 8"}};
  for (const auto& v : all) {
    Tensor self = tensor(GEMS_BF16, {60, 64}), index = tensor(GEMS_I64, {500}), out = tensor(GEMS_BF16, {500, 64});
    g_candidate = gems_variant(v.knobs);
    EXPECT_EQ(look_up(out, self, index, {0, 1}, {1, 0}, 64, 60), GEMS_OK);
    g_candidate = 0;
    EXPECT_NE(g_last_body.find(v.body), std::string::npos) << g_last_body;
    for (int64_t i = 0; i < 500; i++)
      ASSERT_EQ(memcmp(out.at(i * 64), self.at((int64_t)load(GEMS_I64, index.at(i)) * 64), 128), 0) << i;
  }
}

TEST(CudaIndex, Elements) {  // gather along dimension 0 and 1, int32 index
  Tensor self = tensor(GEMS_F32, {60, 40}), index = tensor(GEMS_I32, {30, 40}), out = tensor(GEMS_F32, {30, 40});
  ASSERT_EQ(look_up(out, self, index, {0, 1}, {40, 1}, 40, 60), GEMS_OK);
  for (int64_t i = 0; i < 1200; i++)
    ASSERT_EQ(load(GEMS_F32, out.at(i)), load(GEMS_F32, self.at((int64_t)load(GEMS_I32, index.at(i)) * 40 + i % 40)));
  Tensor wide = tensor(GEMS_F32, {30, 60});
  ASSERT_EQ(look_up(out, wide, index, {60, 0}, {40, 1}, 1, 60), GEMS_OK);
  for (int64_t i = 0; i < 1200; i++)
    ASSERT_EQ(load(GEMS_F32, out.at(i)), load(GEMS_F32, wide.at(i / 40 * 60 + (int64_t)load(GEMS_I32, index.at(i)))));
}

TEST(CudaIndex, OutOfRangeTraps) {
  Tensor self = tensor(GEMS_F32, {10, 4}), index = tensor(GEMS_I64, {3}), out = tensor(GEMS_F32, {3, 4});
  for (double bad : {10.0, -1.0}) {
    for (int i = 0; i < 3; i++) store(GEMS_I64, index.at(i), 1);
    EXPECT_EQ(look_up(out, self, index, {0, 1}, {1, 0}, 4, 11), GEMS_OK);
    store(GEMS_I64, index.at(1), bad);
    EXPECT_EQ(look_up(out, self, index, {0, 1}, {1, 0}, 4, 10), GEMS_FAILED);
  }
}

TEST(CudaIndex, EmbeddingGradient) {
  for (int dtype : {GEMS_F32, GEMS_BF16}) {
    const int64_t rows = 60, width = 24, n = 90;
    Tensor out = tensor(dtype, {rows, width}), grad = tensor(dtype, {n, width}), index = tensor(GEMS_I64, {n});
    for (int64_t i = 0; i < n * width; i++) store(dtype, grad.at(i), g_random() % 4);  // sums stay exact
    gems_call c{};
    c.op = op_find("embedding_dense_backward");
    c.candidate = dtype == GEMS_F32 ? 0 : gems_variant({1, 0, 1, 0});
    c.nout = 1;
    c.nin = 2;
    c.npar = 1;
    c.compute = GEMS_F32;
    c.par[0].i = 7;  // padding_idx
    c.t[0] = out.view();
    c.t[1] = grad.view();
    c.t[2] = index.view();
    ASSERT_EQ(run_index(&c), GEMS_OK) << g_reason;
    std::vector<double> want(rows * width, 0);
    for (int64_t i = 0; i < n; i++) {
      const int64_t r = (int64_t)load(GEMS_I64, index.at(i));
      for (int64_t w = 0; w < width && r != 7; w++) want[r * width + w] += load(dtype, grad.at(i * width + w));
    }
    for (int64_t i = 0; i < rows * width; i++) ASSERT_EQ(load(dtype, out.at(i)), want[i]) << i;
  }
}

// ---- create ----

TEST(CudaCreate, Arange) {
  for (int dtype : {GEMS_I64, GEMS_F32, GEMS_BF16})
    for (int64_t n : {1, 100, 1001}) {
      if (dtype == GEMS_BF16 && n > 100) continue;
      Tensor out = tensor(dtype, {n});
      gems_call c{};
      c.op = op_find("arange");
      c.nout = 1;
      c.npar = 2;
      c.compute = dtype == GEMS_I64 ? GEMS_I64 : GEMS_F64;
      if (dtype == GEMS_I64) c.par[0].i = 5, c.par[1].i = -3;
      else c.par[0].d = 5, c.par[1].d = -0.5;
      c.t[0] = out.view();
      ASSERT_EQ(build_pointwise(c), Plan::ok);
      ASSERT_EQ(run_create(&c), GEMS_OK) << g_reason;
      for (int64_t i = 0; i < n; i++) ASSERT_EQ(load(dtype, out.at(i)), dtype == GEMS_I64 ? 5.0 - 3 * i : 5 - 0.5 * i) << i;
    }
}

TEST(CudaCreate, Triangles) {
  struct Case {
    Ints sizes, in_strides;
    bool in_place;
  };
  for (const Case& s :
       {Case{{40, 48}, {}, false}, Case{{3, 2, 17, 33}, {}, false}, Case{{48, 40}, {1, 48}, false}, Case{{64, 64}, {}, true}})
    for (const char* name : {"tril", "triu"})
      for (int64_t diagonal : {-50, -3, 0, 5, 100}) {
        Tensor in = tensor(GEMS_BF16, s.sizes, s.in_strides), out = s.in_place ? in : tensor(GEMS_BF16, s.sizes);
        const int64_t n = count(s.sizes), rows = s.sizes[s.sizes.size() - 2], cols = s.sizes.back();
        std::vector<double> want;
        for (int64_t i = 0; i < n; i++) {
          const int64_t c = i % cols, r = i / cols % rows;
          const bool stays = name[3] == 'l' ? c - r <= diagonal : c - r >= diagonal;
          want.push_back(stays ? load(GEMS_BF16, in.at(offset_of(in, s.sizes, i))) : 0);
        }
        gems_call c{};
        c.op = op_find(name);
        c.nout = c.nin = c.npar = 1;
        c.compute = GEMS_I64;
        c.par[0].i = diagonal;
        c.t[0] = out.view();
        c.t[1] = in.view();
        ASSERT_EQ(run_create(&c), GEMS_OK) << g_reason;
        for (int64_t i = 0; i < n; i++)
          ASSERT_EQ(load(GEMS_BF16, out.at(offset_of(out, s.sizes, i))), want[i]) << name << diagonal << " " << i;
      }
}

}  // namespace
}  // namespace gems::cuda

#include "tests/cpp/cuda_moves.h"
