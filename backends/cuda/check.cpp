#include "backends/cuda/check.h"

#include <stdlib.h>
#include <string.h>

#include <chrono>
#include <functional>
#include <set>

#include "backends/cuda/internal.h"
#include "backends/cuda/nvrtc.h"
#include "gems/op.h"

namespace gems::cuda {
namespace {

struct Run : Check {
  const gems_op_info* op;
  int level;
  void (*report)(void*, const gems_cuda_kernel_report*);
  void* ctx;
  std::string call_name;
  std::set<std::string> seen;  // units compiled already
  int kernels = 0;
  bool use_cache = false, variants = false;
};

// The number after the last `key` in ptxas' report ("Used 32 registers, ... 16 bytes spill stores"), found backwards from it.
int number_before(const std::string& log, const char* key) {
  size_t end = log.find(key);
  if (end == std::string::npos) return 0;
  while (end > 0 && log[end - 1] == ' ') end--;
  size_t at = end;
  while (at > 0 && log[at - 1] >= '0' && log[at - 1] <= '9') at--;
  return atoi(log.substr(at, end - at).c_str());
}

void compile(Check* check, const KernelSource& src, const std::string& unit) {
  Run& r = *static_cast<Run*>(check);
  if (!r.seen.insert(unit).second) return;
  const auto start = std::chrono::steady_clock::now();
  Unit u(unit);
  u.made_with(nvrtc_version(nullptr), r.device->arch);
  gems_cuda_kernel_report k = {};
  Compiled c;
  if (r.use_cache) {
    bool cached = false;
    c = compile_into_cache(u, r.device->arch, &cached);
    k.cached = cached;
  } else {
    u.options.push_back("--ptxas-options=-v");
    c = nvrtc_compile(unit, u.headers, u.options, false);
  }
  k.key = u.key.c_str();
  k.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  k.call = r.call_name.c_str();
  k.body = src.body.c_str();
  k.error = c.ok ? nullptr : c.log.c_str();
  k.unit = unit.c_str();
  k.registers = number_before(c.log, "registers");
  k.spill_bytes = number_before(c.log, "bytes spill stores");
  k.shared_bytes = number_before(c.log, "bytes smem") + src.smem;
  k.code_bytes = (int)c.binary.size();
  r.kernels++;
  r.report(r.ctx, &k);
}

// A call that never runs: plausible addresses, sizes and strides.
class Call {
 public:
  gems_call c{};
  explicit Call(const gems_op_info* op, int compute) {
    c.op = op;
    c.compute = (int8_t)compute;
    c.npar = op->par;
    for (int i = 0; i < c.npar; i++) {
      if (dtype_is_float(compute)) c.par[i].d = 1;
      else c.par[i].i = 1;
    }
  }
  gems_tensor& tensor(int k, int dtype, std::initializer_list<int64_t> sizes, std::initializer_list<int64_t> strides) {
    gems_tensor& t = c.t[k];
    std::copy(sizes.begin(), sizes.end(), sizes_[k]);
    std::copy(strides.begin(), strides.end(), strides_[k]);
    t.data = reinterpret_cast<void*>((uintptr_t)(k + 1) << 40);
    t.sizes = sizes_[k];
    t.strides = strides_[k];
    t.ndim = (int)sizes.size();
    t.numel = 1;
    for (int64_t s : sizes) t.numel *= s;
    t.dtype = (int8_t)dtype;
    t.device_type = GEMS_CUDA;
    t.device_index = kCheckDevice;
    t.flags = 0;
    int64_t dense = 1;
    bool contiguous = true;
    for (int d = t.ndim - 1; d >= 0; d--) contiguous &= t.strides[d] == dense || t.sizes[d] == 1, dense *= t.sizes[d];
    if (contiguous) t.flags = GEMS_T_CONTIGUOUS;
    return t;
  }
  void absent(int k) {
    c.t[k] = {};
    c.t[k].device_type = GEMS_CUDA;
    c.t[k].device_index = kCheckDevice;
    c.t[k].flags = GEMS_T_ABSENT;
  }
  void space(std::initializer_list<int64_t> sizes, int nred) {
    c.it.ndim = (int)sizes.size();
    c.it.nred = nred;
    c.it.numel = 1;
    std::copy(sizes.begin(), sizes.end(), c.it.size);
    for (int64_t s : sizes) c.it.numel *= s;
  }
  void strides(int k, std::initializer_list<int64_t> s) { std::copy(s.begin(), s.end(), c.it.stride[k]); }

 private:
  int64_t sizes_[GEMS_MAX_OPERANDS][4], strides_[GEMS_MAX_OPERANDS][4];
};

void go(Run& r, Call& call, const std::string& name) {
  r.call_name = std::string(r.op->name) + " " + name;
  ThreadState& t = thread_state();
  const auto plan = [&](int16_t candidate) {
    call.c.candidate = candidate;
    t.call = &call.c;
    const gems_status s = dispatch(&call.c);
    t.call = nullptr;
    return s;
  };
  gems_status s = GEMS_OK;
  if (r.variants) {
    if (!r.seen.empty()) return;
    int16_t all[64];
    const int n = variants(&call.c, all, 64);
    for (int i = 0; n >= 8 && i < n && s == GEMS_OK; i++) {
      const gems_knobs k = gems_knobs_of(all[i]);
      if (!!k.tile + !!k.unroll + !!k.block + !!k.split > 1) continue;
      r.call_name = std::string(r.op->name) + " " + name + " tile=" + std::to_string(k.tile) +
                    " unroll=" + std::to_string(k.unroll) + " block=" + std::to_string(k.block) +
                    " split=" + std::to_string(k.split);
      s = plan(all[i]);
    }
  } else {
    s = plan(0);
  }
  if (s == GEMS_OK) return;
  gems_cuda_kernel_report k = {};
  k.call = r.call_name.c_str();
  k.body = k.unit = "";
  k.error = t.reason;
  k.refused = s == GEMS_UNSUPPORTED;
  r.report(r.ctx, &k);
}

bool declares(const gems_op_info* op, char c) { return strchr(op->types, c) != nullptr; }

struct TypeCase {
  int compute, storage;
};
std::vector<TypeCase> type_cases(const gems_op_info* op, int level) {
  std::vector<TypeCase> r;
  const auto add = [&](char c, int compute, std::initializer_list<int> first, std::initializer_list<int> more) {
    if (!declares(op, c)) return;
    for (int s : first) r.push_back({compute, s});
    if (level)
      for (int s : more) r.push_back({compute, s});
  };
  add('f', GEMS_F32, {GEMS_BF16}, {GEMS_F32, GEMS_F16});
  add('d', GEMS_F64, {GEMS_F64}, {});
  add('l', GEMS_I64, {GEMS_I64}, {GEMS_I16, GEMS_I8, GEMS_U8});
  add('i', GEMS_I32, {GEMS_I32}, {});
  add('b', GEMS_BOOL, {GEMS_BOOL}, {});
  return r;
}

int result_dtype(const gems_op_info* op, int storage) {
  switch (static_cast<rule>(op->rule)) {
    case rule::boolean: return GEMS_BOOL;
    case rule::index: return GEMS_I64;
    case rule::sum: return dtype_is_float(storage) ? storage : GEMS_I64;
    default: return storage;
  }
}

// ---- families ----

// At level 0 the operators whose kernels differ in more than the functor's few instructions meet all shapes, the others the first.
bool is_one_of(const gems_op_info* op, std::initializer_list<const char*> names) {
  for (const char* n : names)
    if (!strcmp(op->name, n)) return true;
  return false;
}

void check_pointwise(Run& r) {
  const gems_op_info* op = r.op;
  if (op->family == (uint8_t)family::copy) return;  // they run the copy operator
  const bool layouts = r.level || is_one_of(op, {"add", "where", "copy"});
  for (const TypeCase& t : type_cases(op, r.level)) {
    struct Layout {
      const char* name;
      int64_t rows, cols, in0[2], in1[2];  // strides of the first and of the other inputs; 0 x 0: a number
    };
    const Layout all[] = {{"contiguous", 0, 1 << 24, {0, 1}, {0, 1}},       {"row", 4096, 4096, {4096, 1}, {0, 1}},
                          {"column", 4096, 4096, {4096, 1}, {1, 0}},        {"number", 0, 1 << 24, {0, 1}, {0, 0}},
                          {"transposed", 4096, 4096, {1, 4096}, {4096, 1}}, {"tiled", 4095, 4097, {1, 4095}, {4097, 1}},
                          {"general", 4095, 4097, {3 * 4097, 3}, {4097, 1}}};
    const int count = layouts ? (int)(sizeof all / sizeof *all) : 1;
    for (int i = 0; i < count; i++) {
      const Layout& l = all[i];
      Call c(op, t.compute);
      c.c.nout = 1;
      c.c.nin = op->in;
      const bool flat = l.rows == 0;
      if (flat) c.space({l.cols}, 0);
      else c.space({l.rows, l.cols}, 0);
      c.c.it.contiguous = flat;
      for (int k = 0; k <= op->in; k++) {
        const int64_t* s = k == 1 ? l.in0 : l.in1;
        const int64_t dense[2] = {l.cols, 1};
        if (k == 0) s = dense;
        const int dtype = k == 0 ? result_dtype(op, t.storage) : (op->nopromote >> (k - 1) & 1) ? GEMS_BOOL : t.storage;
        c.tensor(k, dtype, {flat ? 1 : l.rows, l.cols}, {s[0], s[1]});
        if (k > 1 && flat && !s[1]) c.c.t[k].flags = GEMS_T_SCALAR;
        if (flat) c.strides(k, {s[1]});
        else c.strides(k, {s[0], s[1]});
      }
      go(r, c, std::string(dtype_name(t.storage)) + " " + l.name);
    }
  }
  // Operands that pass through the common dtype.
  const int through[][2] = {
      {GEMS_I8, GEMS_I64}, {GEMS_U8, GEMS_I8}, {GEMS_BF16, GEMS_F64}, {GEMS_F16, GEMS_I32}, {GEMS_F16, GEMS_BF16}};
  for (const auto& [common, from] : through) {
    if (strcmp(op->name, "maximum")) break;
    Call c(op, dtype_is_float(common) ? GEMS_F32 : GEMS_I32);
    c.c.common = (int8_t)common;
    c.c.nout = 1;
    c.c.nin = 2;
    c.space({1 << 24}, 0);
    c.c.it.contiguous = 1;
    for (int k = 0; k < 3; k++) c.tensor(k, k == 2 ? from : common, {1 << 24}, {1}), c.strides(k, {1});
    c.c.t[2].flags |= GEMS_T_VIA;
    go(r, c, std::string(dtype_name(from)) + " through " + dtype_name(common));
  }
  // Conversions: every storage type meets every other once in either direction.
  if (strcmp(op->name, "copy")) return;
  for (int from : {GEMS_F32, GEMS_BF16, GEMS_F16, GEMS_F64, GEMS_I64, GEMS_I32, GEMS_U8, GEMS_I8, GEMS_BOOL})
    for (int to : {GEMS_F32, GEMS_BF16, GEMS_F16, GEMS_F64, GEMS_I64, GEMS_I32, GEMS_U8, GEMS_I8, GEMS_BOOL}) {
      if (from == to || (!r.level && from != GEMS_F32 && to != GEMS_F32)) continue;
      const int compute = from == GEMS_BF16 || from == GEMS_F16 ? GEMS_F32 : from == GEMS_U8 || from == GEMS_I8 ? GEMS_I64 : from;
      Call c(op, compute);
      c.c.nout = c.c.nin = 1;
      c.space({1 << 24}, 0);
      c.c.it.contiguous = 1;
      for (int k = 0; k < 2; k++) c.tensor(k, k ? from : to, {1 << 24}, {1}), c.strides(k, {1});
      go(r, c, std::string(dtype_name(from)) + " to " + dtype_name(to));
    }
}

void check_reduce(Run& r) {
  const gems_op_info* op = r.op;
  const bool all_shapes = r.level || op->in > 1 || is_one_of(op, {"sum", "argmax", "max_dim", "var_mean"});
  for (const TypeCase& t : type_cases(op, r.level)) {
    struct Shape {
      const char* name;
      int64_t kept, reduced, s_kept, s_reduced;
    };
    for (const Shape& s : {Shape{"rows", 4096, 4096, 4096, 1}, Shape{"all", 1, 1 << 26, 0, 1},
                           Shape{"short rows", 65536, 64, 64, 1}, Shape{"long rows", 8, 1 << 20, 1 << 20, 1},
                           Shape{"columns", 4096, 4096, 1, 4096}, Shape{"strided", 4096, 1000, 3000, 3}}) {
      if (!all_shapes && s.kept != s.reduced) break;
      Call c(op, t.compute);
      c.c.nout = op->out;
      c.c.nin = op->in;
      const bool one = s.kept == 1;
      if (one) c.space({s.reduced}, 1);
      else c.space({s.kept, s.reduced}, 1);
      c.c.it.contiguous = 0;
      for (int k = 0; k < op->out + op->in; k++) {
        const bool out = k < op->out;
        int dtype = t.storage;
        if (out)
          dtype = op->out == 2 && static_cast<rule>(op->rule) == rule::index ? (k ? GEMS_I64 : t.storage)
                                                                             : result_dtype(op, t.storage);
        if (out) c.tensor(k, dtype, {s.kept}, {1});
        else c.tensor(k, dtype, {s.kept, s.reduced}, {s.s_kept, s.s_reduced});
        if (one) c.strides(k, {out ? 0 : s.s_reduced});
        else c.strides(k, {out ? 1 : s.s_kept, out ? 0 : s.s_reduced});
      }
      go(r, c, std::string(dtype_name(t.storage)) + " " + s.name);
    }
  }
}

void check_row(Run& r) {
  const gems_op_info* op = r.op;
  std::string roles;
  for (const char* p = op->roles; *p; p++)
    if (*p != ' ') roles += *p;
  for (const TypeCase& t : type_cases(op, r.level))
    for (int64_t n : {64, 1000, 4096, 8192, 131072}) {
      if (!r.level && (n == 1000 || n == 8192)) continue;
      const int64_t rows = 4096;
      Call c(op, t.compute);
      c.c.nout = op->out;
      c.c.nin = op->in;
      c.space({rows, n}, 1);
      c.c.it.contiguous = 1;
      for (int k = 0; k < (int)roles.size(); k++) {
        const char role = roles[k];
        if (role == 'r') c.tensor(k, t.storage, {rows, n}, {n, 1}), c.strides(k, {n, 1});
        else if (role == 'v') c.tensor(k, t.storage, {n}, {1}), c.strides(k, {0, 1});
        else c.tensor(k, t.storage == GEMS_F64 ? GEMS_F64 : GEMS_F32, {rows}, {1}), c.strides(k, {1, 0});
      }
      go(r, c, std::string(dtype_name(t.storage)) + " rows of " + std::to_string(n));
    }
}

void check_scan(Run& r) {
  for (const TypeCase& t : type_cases(r.op, r.level))
    for (int64_t n : {64, 8192, 1 << 20})
      for (int inner : {1, 0}) {
        const int64_t rows = n > 100000 ? 8 : 4096;
        Call c(r.op, t.compute);
        c.c.nout = c.c.nin = 1;
        c.space({rows, n}, 1);
        c.c.it.contiguous = inner;
        for (int k = 0; k < 2; k++) {
          const int64_t sr = inner ? n : 1, sn = inner ? 1 : rows;
          c.tensor(k, k ? t.storage : result_dtype(r.op, t.storage), {rows, n}, {sr, sn});
          c.strides(k, {sr, sn});
        }
        go(r, c, std::string(dtype_name(t.storage)) + (inner ? " rows of " : " columns of ") + std::to_string(n));
      }
}

void check_index(Run& r) {
  if (!strncmp(r.op->name, "nll_loss", 8)) return;  // CPU only
  const bool backward = r.op->par == 1;             // embedding_dense_backward: padding_idx
  for (int dtype : {GEMS_BF16, GEMS_F32, GEMS_F64, GEMS_U8})
    for (int index : {GEMS_I64, GEMS_I32}) {
      if (!r.level && index == GEMS_I32 && dtype != GEMS_BF16) continue;
      if (backward && dtype == GEMS_U8) continue;
      if (backward) {
        Call c(r.op, dtype == GEMS_F64 ? GEMS_F64 : GEMS_F32);
        c.c.nout = 1;
        c.c.nin = 2;
        c.tensor(0, dtype, {32000, 4096}, {4096, 1});
        c.tensor(1, dtype, {512, 4096}, {4096, 1});
        c.tensor(2, index, {512}, {1});
        go(r, c, dtype_name(dtype));
        continue;
      }
      const std::string name = r.op->name;
      const bool scatters = name.rfind("scatter", 0) == 0 || (name.rfind("index_", 0) == 0 && name != "index_select");
      const bool combines = scatters && name != "scatter" && name != "index_copy" && name != "index_fill";
      for (int combine = 0; combine < (combines ? 5 : 1); combine++)
        for (int n : {1, 2, 3})
          for (int rows : {1, 0}) {  // whole rows, or an index per element
            const bool several = name == "index" || name == "index_put";
            if ((n > 1 && !several) || (combine > 1 && name != "scatter_reduce") || (combine && dtype == GEMS_U8 && !r.level))
              continue;
            Call c(r.op, GEMS_I64);
            c.c.nout = 1;
            c.c.nin = 1 + n;
            c.c.npar = scatters ? 8 : 7;
            for (int k = 0; k < n; k++) c.c.par[2 * k].i = rows ? 4096 : 1, c.c.par[2 * k + 1].i = 32000;
            c.c.par[6].i = several;
            c.c.par[7].i = combine;
            c.space({512, 4096}, 0);
            c.c.it.contiguous = 0;
            const int walked = scatters ? 1 : 0;
            c.tensor(walked, dtype, {512, 4096}, {4096, 1}), c.strides(walked, {4096, 1});
            c.tensor(1 - walked, dtype, {32000, 4096}, {4096, 1}), c.strides(1 - walked, {rows ? 0 : 4096, rows ? 1 : 0});
            for (int k = 2; k < 2 + n; k++)
              c.tensor(k, index, {512, 4096}, {4096, 1}), c.strides(k, {rows ? 1 : 4096, rows ? 0 : 1});
            go(r, c,
               std::string(dtype_name(dtype)) + "[" + std::to_string(n) + " " + dtype_name(index) +
                   (rows ? "] rows" : "] elements"));
          }
    }
}

void check_compact(Run& r) {
  if (r.op->in == 1) {  // repeat_interleave
    Call c(r.op, GEMS_I64);
    c.c.nout = c.c.nin = c.c.npar = 1;
    for (int k = 0; k < 2; k++) c.tensor(k, GEMS_I64, {1 << 20}, {1});
    return go(r, c, "int64");
  }
  const bool coordinates = r.op->name[0] == 'n', scatter = !strcmp(r.op->name, "masked_scatter");
  for (int dtype : {GEMS_BOOL, GEMS_BF16, GEMS_F32, GEMS_F64, GEMS_I64, GEMS_U8}) {
    for (int phase : {0, 1}) {
      if (phase == 0 && !coordinates && dtype != GEMS_BOOL) continue;
      Call c(r.op, GEMS_I64);
      c.c.nout = 1;
      c.c.nin = 1 + phase;
      c.c.npar = 1;
      c.c.par[0].i = phase;
      const int64_t marks = (1 << 24) / 64 + 4097;
      if (!phase) c.tensor(0, GEMS_I64, {marks}, {1}), c.tensor(1, dtype, {4096, 4096}, {4096, 1});
      else {
        c.tensor(0, coordinates ? GEMS_I64 : dtype, {4096, 4096}, {4096, 1});
        c.tensor(1, GEMS_I64, {marks}, {1});
        c.tensor(2, dtype, {4096, 4096}, {4096, 1});
      }
      go(r, c, std::string(dtype_name(dtype)) + (phase ? " write" : " mark") + (scatter ? " back" : ""));
    }
  }
}

void check_map(Run& r) {
  const std::string name = r.op->name;
  const bool fold = r.op->par == 1;
  const int mode = name == "unfold_backward"           ? 3
                   : name.rfind("reflection", 0) == 0  ? 2
                   : name.rfind("replication", 0) == 0 ? 1
                                                       : 0;
  for (int dtype : {GEMS_BF16, GEMS_F16, GEMS_F32, GEMS_F64, GEMS_U8})
    for (int plain : {1, 0}) {  // the innermost dimension moves as it is, or all do otherwise
      if (fold && (dtype == GEMS_U8 || plain)) continue;
      Call c(r.op, dtype == GEMS_F64 ? GEMS_F64 : GEMS_F32);
      c.c.nout = c.c.nin = 1;
      c.c.npar = 2;
      c.c.par[0].i = mode;
      c.c.par[1].i = fold;
      c.space({64, 256, 256}, 0);
      for (int k = 0; k < 2; k++) c.tensor(k, dtype, {64, 256, 256}, {65536, 256, 1}), c.strides(k, {65536, 256, 1});
      const int64_t other = fold ? 258 : 254;
      c.strides(2, {0, 1, plain ? 0 : 1});
      c.strides(3, {64, other, plain ? 256 : other});
      c.strides(4, {0, 0, 0});
      c.strides(5, {0, mode == 3, mode == 3});
      go(r, c, std::string(dtype_name(dtype)) + (plain ? " rows" : " elements"));
    }
}

void check_create(Run& r) {
  if (r.op->in == 0 && strcmp(r.op->name, "arange")) return;  // they run arange and copies
  for (int dtype : {GEMS_BF16, GEMS_F16, GEMS_F32, GEMS_F64, GEMS_I64, GEMS_I32, GEMS_U8}) {
    Call c(r.op, r.op->in == 0 ? (dtype_is_float(dtype) ? GEMS_F64 : GEMS_I64) : GEMS_I64);
    c.c.nout = 1;
    c.c.nin = r.op->in;
    c.c.npar = r.op->in ? 1 : 2;
    c.space({1 << 20}, 0);
    c.c.it.contiguous = 1;
    for (int k = 0; k <= r.op->in; k++) c.tensor(k, dtype, {16, 256, 256}, {65536, 256, 1}), c.strides(k, {1});
    if (r.op->in == 0) c.tensor(0, dtype, {1 << 20}, {1});
    go(r, c, dtype_name(dtype));
  }
}

void check_random(Run& r) {
  const bool bits = !strcmp(r.op->types, "l");
  for (int dtype : {GEMS_F32, GEMS_BF16, GEMS_F16, GEMS_F64, GEMS_I64, GEMS_I32, GEMS_U8, GEMS_BOOL})
    for (int wide : {0, 1}) {
      if (wide && !bits) continue;
      if (!dtype_is_float(dtype) && !bits && strcmp(r.op->name, "bernoulli") && strcmp(r.op->name, "geometric")) continue;
      Call c(r.op, bits ? GEMS_I64 : dtype == GEMS_F64 ? GEMS_F64 : GEMS_F32);
      c.c.nout = c.c.nin = 1;
      c.c.npar = bits || !strcmp(r.op->name, "uniform") ? 3 : r.op->par;
      if (bits) c.c.par[0].i = 100, c.c.par[2].i = wide;
      c.tensor(0, dtype, {1 << 20}, {1});
      c.tensor(1, GEMS_U8, {64}, {1});
      go(r, c, std::string(dtype_name(dtype)) + (wide ? " of 64 bits" : ""));
    }
}

void check_matmul(Run& r) {
  const std::string name = r.op->name;
  const bool batched = name == "bmm" || name == "baddbmm", self = r.op->in == 3, mv = name == "mv";
  if (name == "linear") return;  // reaches the backend as one of the others
  for (int dtype : {GEMS_BF16, GEMS_F16, GEMS_F32, GEMS_F64})
    for (int64_t m : {1, 4, 16, 64, 512, 4096})
      for (int transposed : {0, 1}) {
        if (mv && m != 4096) continue;
        if (!r.level && !mv && (name == "mm" ? m == 4 || m == 64 : m != 1 && m != 512)) continue;
        const int64_t n = mv ? 1 : 4096, k = 4096, b = 8;
        Call c(r.op, dtype == GEMS_F64 ? GEMS_F64 : GEMS_F32);
        c.c.nout = 1;
        c.c.nin = 3;
        c.c.npar = 2;
        c.c.par[0].d = self ? 1 : 0;
        c.c.par[1].d = 1;
        if (batched) {
          c.tensor(0, dtype, {b, m, n}, {m * n, n, 1});
          c.tensor(1, dtype, {b, m, n}, {m * n, n, 1});
          c.tensor(2, dtype, {b, m, k}, {m * k, k, 1});
          c.tensor(3, dtype, {b, k, n}, {k * n, transposed ? 1 : n, transposed ? k : 1});
        } else {
          c.tensor(0, dtype, {m, n}, {n, 1});
          c.tensor(1, dtype, {m, n}, {0, 1});
          c.tensor(2, dtype, {m, k}, {k, 1});
          c.tensor(3, dtype, {k, n}, {transposed ? 1 : n, transposed ? k : 1});
        }
        if (!self) c.absent(1);
        go(r, c, std::string(dtype_name(dtype)) + " m=" + std::to_string(m) + (transposed ? " b transposed" : ""));
      }
}

void check_sort(Run& r) {
  if (!strchr("stnc", r.op->roles[0])) return;  // not built for CUDA yet
  const bool one = r.op->roles[0] == 'n';
  for (int dtype : {GEMS_F32, GEMS_BF16, GEMS_F16, GEMS_I32, GEMS_I16, GEMS_U8, GEMS_I8, GEMS_BOOL})
    for (int64_t n : {1000, 131072}) {
      if (n > 4096 && r.op->roles[0] == 's') continue;
      if (!r.level && dtype != GEMS_F32 && dtype != GEMS_BF16) continue;
      Call c(r.op, GEMS_I64);
      c.c.nout = c.c.npar = 2;
      c.c.nin = 1;
      c.c.par[0].i = c.c.par[1].i = 1;
      const int64_t m = one ? 1 : n;
      c.space({64, n}, 1);
      for (int k = 0; k < 3; k++) {
        c.tensor(k, k == 1 ? int{GEMS_I64} : dtype, {64, k < 2 ? m : n}, {k < 2 ? m : n, 1});
        c.strides(k, {k < 2 ? m : n, 1});
      }
      go(r, c, std::string(dtype_name(dtype)) + " n=" + std::to_string(n));
    }
}

}  // namespace
}  // namespace gems::cuda

int gems_cuda_compile_check(const gems_op_info* op, int cc, int level, void (*report)(void*, const gems_cuda_kernel_report*),
                            void* ctx) {
  using namespace gems;
  using namespace gems::cuda;
  if (!nvrtc_version(nullptr)) return -1;
  DeviceState device;
  device.cc_major = cc / 10;
  device.cc_minor = cc % 10;
  device.arch = nvrtc_arch(device.cc_major, device.cc_minor);
  device.sm_count = 132;
  device.max_smem_per_block = cc == 80 ? 163 * 1024 : 227 * 1024;
  device.max_smem_per_sm = device.max_smem_per_block + 1024;
  device.l2_bytes = 50 << 20;
  Run r;
  r.device = &device;
  r.on_kernel = compile;
  r.op = op;
  r.level = level & 255;
  r.variants = level & GEMS_CUDA_CHECK_VARIANTS;
  r.use_cache = level & GEMS_CUDA_CHECK_CACHED && host().cache_load && host().cache_store;
  r.report = report;
  r.ctx = ctx;
  thread_state().check = &r;
  switch (static_cast<family>(op->family)) {
    case family::pointwise:
    case family::copy: check_pointwise(r); break;
    case family::reduce: check_reduce(r); break;
    case family::row: check_row(r); break;
    case family::scan: check_scan(r); break;
    case family::index: check_index(r); break;
    case family::create: check_create(r); break;
    case family::random: check_random(r); break;
    case family::matmul: check_matmul(r); break;
    case family::sort: check_sort(r); break;
    case family::compact: check_compact(r); break;
    case family::map: check_map(r); break;
    case family::fused: *op->roles ? check_row(r) : check_pointwise(r); break;
  }
  thread_state().check = nullptr;
  return r.kernels;
}
