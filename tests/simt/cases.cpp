// Calls of the reduce, row and scan families, run through the CUDA planners and the emulated kernels, against plain loops in
// double. Built twice by tests/python/test_simt_emulation.py: the first program (LIST) writes the kernels that the planners ask
// for, the second has them compiled in.
#include <math.h>

#include <map>
#include <random>
#include <string>
#include <vector>

#include "tests/simt/emulation.h"
//
#include "backends/cuda/jit.h"
#include "gems/op.h"
#include "kernels/lang/lang.h"
#include "kernels/simt/reduce.cuh"
#include "kernels/simt/row.cuh"
#include "kernels/simt/scan.cuh"
namespace op {
#include "simt_ops.inc"
}

typedef void (*Emulated)(const void* args);
struct Entry {
  const char* body;
  Emulated run;
  size_t args_size;
};
#ifdef LIST
static const Entry kKernels[] = {{"", nullptr, 0}};
#else
#include "simt_kernels.inc"
#endif

// ---- what the planners need from the backend ----
static std::map<std::string, const Entry*> g_by_body;
static std::map<std::string, std::string> g_asked;  // body -> args type
static const char* g_why = "";
static gems::cuda::Device g_device{0, 9, 0, 4, 48 << 10, 228 << 10, 50 << 20};  // four multiprocessors: splits start early

namespace gems::cuda {
const Device* device_of(const gems_call*) { return &g_device; }
static std::map<std::string, Kernel> g_built;
const Kernel* find_kernel(const Device*, const KernelKey& key) {
  auto it = g_built.find(std::string((const char*)&key, sizeof(key)));
  return it == g_built.end() ? nullptr : &it->second;
}
bool deferred(const Device*, const KernelKey&) { return false; }
const Kernel* build_kernel(const Device*, const KernelKey& key, const KernelSource& src) {
  const std::string id = src.args_type + " | " + src.body;
  g_asked[id] = src.attributes;
  Kernel k;
  auto it = g_by_body.find(id);
  if (it != g_by_body.end()) {
    k.function = (void*)it->second;
    if (it->second->args_size != src.args_size) printf("FAIL args size of %s\n", id.c_str()), exit(1);
  }
#ifndef LIST
  else
    printf("FAIL no kernel %s\n", id.c_str()), exit(1);
#endif
  return &(g_built[std::string((const char*)&key, sizeof(key))] = k);
}
gems_status launch(const gems_call*, const Kernel* k, unsigned gx, unsigned gy, unsigned, unsigned block, unsigned,
                   const void* args) {
  if (gx < 1 || gy < 1 || gy > 65535 || block < 1 || block > 1024) printf("FAIL grid %u %u block %u\n", gx, gy, block), exit(1);
  const Entry* e = (const Entry*)k->function;
  if (e) emu::launch(gx, gy, block, [=] { e->run(args); });
  return GEMS_OK;
}
gems_status unsupported(const char* reason) {
  g_why = reason;
  return GEMS_UNSUPPORTED;
}
gems_status failed(const std::string& text) {
  g_why = strdup(text.c_str());
  return GEMS_FAILED;
}
const char* cuda_type(int dtype) {
  switch (dtype) {
    case GEMS_U8: return "unsigned char";
    case GEMS_I8: return "signed char";
    case GEMS_I16: return "short";
    case GEMS_I32: return "int";
    case GEMS_I64: return "gems::i64";
    case GEMS_F16: return "gems::f16";
    case GEMS_F32: return "float";
    case GEMS_F64: return "double";
    case GEMS_BOOL: return "bool";
    case GEMS_BF16: return "gems::bf16";
    default: return "?";
  }
}
void* scratch(const gems_call*, size_t bytes, void** handle) {
  *handle = malloc(bytes);
  memset(*handle, 0x7e, bytes);
  return *handle;
}
void scratch_free(void* handle) { free(handle); }
}  // namespace gems::cuda

// ---- operands ----
typedef std::vector<int64_t> Dims;
static std::mt19937_64 g_random(7);

struct Operand {
  int dtype;
  std::vector<char> bytes;
  std::vector<double> before;  // by memory position
  int64_t origin = 0;

  void* data() { return bytes.data() + origin * gems::dtype_size(dtype); }
  double read(int64_t at) const {
    const char* p = bytes.data() + at * gems::dtype_size(dtype);
    switch (dtype) {
      case GEMS_U8: return *(const unsigned char*)p;
      case GEMS_BOOL: return *(const unsigned char*)p != 0;
      case GEMS_I8: return *(const signed char*)p;
      case GEMS_I16: return *(const short*)p;
      case GEMS_I32: return *(const int*)p;
      case GEMS_I64: return double(*(const long long*)p);
      case GEMS_F16: return gems::f16_to_float(*(const gems::f16*)p);
      case GEMS_BF16: return gems::bf16_to_float(*(const gems::bf16*)p);
      case GEMS_F32: return *(const float*)p;
      default: return *(const double*)p;
    }
  }
  void write(int64_t at, double x) {
    char* p = bytes.data() + at * gems::dtype_size(dtype);
    switch (dtype) {
      case GEMS_U8: *(unsigned char*)p = (unsigned char)x; break;
      case GEMS_BOOL: *(unsigned char*)p = x != 0; break;
      case GEMS_I8: *(signed char*)p = (signed char)x; break;
      case GEMS_I16: *(short*)p = short(x); break;
      case GEMS_I32: *(int*)p = int(x); break;
      case GEMS_I64: *(long long*)p = (long long)x; break;
      case GEMS_F16: *(gems::f16*)p = gems::float_to_f16(float(x)); break;
      case GEMS_BF16: *(gems::bf16*)p = gems::float_to_bf16(float(x)); break;
      case GEMS_F32: *(float*)p = float(x); break;
      default: *(double*)p = x;
    }
  }
};

struct Case {
  std::string name;
  gems_op_info info{};
  gems_call call{};
  std::vector<Operand> operands;
  Case() { operands.reserve(GEMS_MAX_OPERANDS); }
};

template <class F> void set_op(Case& c, const char* name, const char* header, int id) {
  c.info.name = name;
  c.info.header = header;
  c.info.roles = F::decl.roles;
  c.info.id = id;
  c.info.family = uint8_t(F::decl.fam);
  c.info.rule = uint8_t(F::decl.dtype);
  c.info.in = uint8_t(F::decl.in), c.info.out = uint8_t(F::decl.out), c.info.par = uint8_t(F::decl.par);
  c.info.slots = uint8_t(F::decl.slots);
  c.call.op = &c.info;
  c.call.nout = F::decl.out, c.call.nin = F::decl.in, c.call.npar = F::decl.par;
}

// Gives operand k memory for these strides (elements; all >= 0) and fills it. offset: elements before the first one.
static void add_operand(Case& c, int k, int dtype, const Dims& size, const Dims& stride, int offset, double lo, double hi) {
  Operand o;
  o.dtype = dtype;
  int64_t span = 1;
  for (size_t d = 0; d < size.size(); d++) {
    if (size[d] > 0) span += (size[d] - 1) * stride[d];
    c.call.it.stride[k][d] = stride[d];
  }
  o.origin = offset;
  o.bytes.resize(size_t(span + offset + 8) * gems::dtype_size(dtype));
  std::uniform_real_distribution<double> u(lo, hi);
  for (int64_t i = 0; i < span + offset; i++) {
    double x = u(g_random);
    o.write(i, gems::dtype_is_float(dtype) ? x : floor(x));
  }
  for (int64_t i = 0; i < span + offset; i++) o.before.push_back(o.read(i));
  c.operands.push_back(o);
  gems_tensor& t = c.call.t[k];
  t.dtype = int8_t(dtype);
  t.flags = 0;
  t.data = c.operands.back().data();
}
static void set_space(Case& c, const Dims& size, int nred) {
  c.call.it.ndim = int(size.size());
  c.call.it.nred = nred;
  c.call.it.numel = 1;
  for (size_t d = 0; d < size.size(); d++) c.call.it.size[d] = size[d], c.call.it.numel *= size[d];
}
static int compute_of(int dtype) { return dtype == GEMS_F64 ? GEMS_F64 : gems::dtype_is_float(dtype) ? GEMS_F32 : GEMS_I64; }
static double tolerance(int dtype) {
  return dtype == GEMS_F64 ? 1e-12 : dtype == GEMS_F32 ? 2e-5 : dtype == GEMS_F16 ? 2e-3 : dtype == GEMS_BF16 ? 1.6e-2 : 0;
}

static int g_failures = 0, g_cases = 0;
static void expect(const Case& c, int k, int64_t at, double got, double want, double scale) {
  const double tol = tolerance(c.operands[k].dtype) * (fabs(want) + scale);
  if (got == want || (got != got && want != want) || fabs(got - want) <= tol) return;
  if (g_failures++ < 20)
    printf("FAIL %s: output %d at %lld is %.9g, expected %.9g\n", c.name.c_str(), k, (long long)at, got, want);
}
// Offsets of all operands for each index of dimensions [first, last).
template <class G> void walk(const Case& c, int first, int last, G g) {
  const gems_iter& it = c.call.it;
  const int nt = c.call.nout + c.call.nin;
  std::vector<int64_t> index(size_t(last - first), 0), off(size_t(nt), 0);
  for (int d = first; d < last; d++)
    if (it.size[d] == 0) return;
  for (int64_t linear = 0;; linear++) {
    g(linear, off);
    int d = last - 1;
    for (; d >= first; d--) {
      if (++index[size_t(d - first)] < it.size[d]) {
        for (int k = 0; k < nt; k++) off[size_t(k)] += it.stride[k][d];
        break;
      }
      for (int k = 0; k < nt; k++) off[size_t(k)] -= it.stride[k][d] * (it.size[d] - 1);
      index[size_t(d - first)] = 0;
    }
    if (d < first) return;
  }
}
static int16_t g_candidate = 0;  // of the calls that follow
static int g_variants = 0;       // of them, those that were served
static bool run(Case& c, gems_status (*entry)(const gems_call*)) {
  g_cases++;
  c.call.candidate = g_candidate;
  if (getenv("VERBOSE")) fprintf(stderr, "%s\n", c.name.c_str());
  gems_status s = entry(&c.call);
  if (g_candidate && s == GEMS_UNSUPPORTED) return false;  // not every call has every variant
  g_variants += g_candidate != 0;
  if (s != GEMS_OK) g_failures++, printf("FAIL %s: status %d (%s)\n", c.name.c_str(), int(s), g_why);
#ifdef LIST
  return false;
#else
  return s == GEMS_OK;
#endif
}
// Memory between the elements of an output must stay as it was: checked by the caller marking what it expects.
struct Touched {
  std::vector<char> mark;
  const Case& c;
  int k;
  Touched(const Case& c_, int k_) : mark(c_.operands[size_t(k_)].before.size()), c(c_), k(k_) {}
  ~Touched() {
    const Operand& o = c.operands[size_t(k)];
    for (size_t i = 0; i < mark.size(); i++)
      if (!mark[i]) {
        double now = o.read(int64_t(i)), was = o.before[i];
        if (now != was && !(now != now && was != was) && g_failures++ < 20)
          printf("FAIL %s: output %d touched outside at %zu\n", c.name.c_str(), k, i);
      }
  }
};

// ---- references ----
// A reduction in passes with all elements as one block.
template <class F> double in_one_block(const std::vector<double>& values, double par, int output) {
  double t[F::decl.slots] = {}, r = 0;
  gems::simt::each_pass<F::passes>([&](auto pass) {
    constexpr int P = pass.value;
    t[P] = F::template none<P, double>();
    for (double x : values) t[P] = F::template join<P>(t[P], F::template term<P>(x, t, par));
    F::template after<P>(t, double(values.size()));
  });
  F::close(t, double(values.size()));
  gems::simt::each_pass<F::decl.out>([&](auto o) {
    if (o.value == output) r = F::template finish<o.value>(t, double(values.size()), par);
  });
  return r;
}

template <class F> void check_reduce(Case& c) {
  const int kept = c.call.it.ndim - c.call.it.nred, nout = F::decl.out, nin = F::decl.in;
  std::vector<Touched> touched;
  touched.reserve(size_t(nout));
  for (int o = 0; o < nout; o++) touched.emplace_back(c, o);
  walk(c, 0, kept, [&](int64_t, const std::vector<int64_t>& base) {
    double count = 0, magnitude = 0;
    double acc[2] = {0, 0};
    int64_t best = -1;
    std::vector<double> values;
    if constexpr (!gems::simt::is_indexed<F> && !gems::simt::in_passes<F>)
      for (double& x : acc) x = F::template identity<double>();
    walk(c, kept, c.call.it.ndim, [&](int64_t linear, const std::vector<int64_t>& red) {
      auto value = [&](int k) {
        return c.operands[size_t(nout + k)]
            .before[size_t(c.operands[size_t(nout + k)].origin + base[size_t(nout + k)] + red[size_t(nout + k)])];
      };
      count++;
      if constexpr (gems::simt::is_indexed<F>) {
        if (best < 0 || F::better(value(0), acc[0])) acc[0] = value(0), best = linear;
      } else if constexpr (gems::simt::in_passes<F>) {
        values.push_back(value(0));
      } else if constexpr (F::decl.in == 1) {
        double x = F::map(value(0));
        magnitude += fabs(x);
        acc[0] = F::combine(acc[0], x);
      } else {
        double v[F::decl.out];
        F::map([&](int k) { return value(k); }, v);
        for (int o = 0; o < nout; o++) acc[o] = F::combine(acc[o], v[o]), magnitude += fabs(v[o]);
      }
    });
    (void)nin;
    for (int o = 0; o < nout; o++) {
      Operand& out = c.operands[size_t(o)];
      int64_t at = out.origin + base[size_t(o)];
      double want;
      if constexpr (gems::simt::is_indexed<F>) want = nout == 2 && o == 0 ? acc[0] : double(best);
      else if constexpr (gems::simt::in_passes<F>) want = in_one_block<F>(values, c.call.par[0].d, o);
      else want = F::finish(acc[o], count);
      expect(c, o, at, out.read(at), want, std::string(c.info.name) == "sum" || nin > 1 ? magnitude * 0.01 : 0.01);
      touched[size_t(o)].mark[size_t(at)] = 1;
    }
  });
}

// The functor's row interface on doubles.
struct ReferenceRow {
  int nout, nin;
  const gems_op_info* info;
  std::vector<std::vector<double>> in, out;  // [operand][element]
  std::vector<bool> given;
  std::vector<double> pars, out_stat;
  int64_t len;
  int dtype_of_update = 0;
  struct Elem {
    const ReferenceRow& r;
    int64_t i;
    double operator()(int k) const { return r.in[size_t(k)].size() == 1 ? r.in[size_t(k)][0] : r.in[size_t(k)][size_t(i)]; }
  };
  double n() const { return double(len); }
  double par(int i) const { return pars[size_t(i)]; }
  bool has(int k) const { return given[size_t(k)]; }
  double stat(int k) const { return in[size_t(k)][0]; }
  template <class G> double sum(G f) {
    double s = 0;
    for (int64_t i = 0; i < len; i++) s += f(Elem{*this, i});
    return s;
  }
  template <class G> double max(G f) {
    double s = -INFINITY;
    for (int64_t i = 0; i < len; i++) {
      double x = f(Elem{*this, i});
      s = x > s ? x : s;
    }
    return s;
  }
  template <class G> void store(int o, G f) {
    for (int64_t i = 0; i < len; i++) out[size_t(o)][size_t(i)] = f(Elem{*this, i});
  }
  void store_stat(int o, double v) { out_stat[size_t(o)] = v; }
  template <class G> void update(int k, int o, G f) {
    Operand rounder;
    rounder.dtype = dtype_of_update;
    rounder.bytes.resize(8);
    for (int64_t i = 0; i < len; i++) {
      rounder.write(0, f(Elem{*this, i}));
      out[size_t(o)][size_t(i)] = rounder.read(0);
    }
    in[size_t(k)] = out[size_t(o)];
  }
};

template <class F> void check_row(Case& c) {
  const int nt = c.call.nout + c.call.nin, nout = c.call.nout, dim = c.call.it.ndim - 1;
  const int64_t n = c.call.it.size[dim];
  std::vector<Touched> touched;
  touched.reserve(size_t(nout));
  for (int o = 0; o < nout; o++) touched.emplace_back(c, o);
  walk(c, 0, dim, [&](int64_t, const std::vector<int64_t>& base) {
    ReferenceRow r{nout, nt - nout, &c.info, {}, {}, {}, {}, {}, n};
    for (int i = 0; i < c.call.npar; i++) r.pars.push_back(c.call.par[i].d);
    auto at = [&](int k, int64_t i) { return c.operands[size_t(k)].origin + base[size_t(k)] + i * c.call.it.stride[k][dim]; };
    for (int k = nout; k < nt; k++) {
      r.given.push_back(!(c.call.t[k].flags & GEMS_T_ABSENT));
      r.in.emplace_back();
      if (gems::simt::row_role<F>(k) == 's') r.in.back().push_back(c.operands[size_t(k)].before[size_t(at(k, 0))]);
      else
        for (int64_t i = 0; i < n; i++)
          r.in.back().push_back(r.given.back() ? c.operands[size_t(k)].before[size_t(at(k, i))] : 0);
    }
    r.out.assign(size_t(nout), std::vector<double>(size_t(n)));
    r.out_stat.assign(size_t(nout), 0);
    r.dtype_of_update = c.operands[nout > 1 ? 1 : 0].dtype;
    F{}(r);
    for (int o = 0; o < nout; o++) {
      if (c.call.t[o].flags & GEMS_T_ABSENT) continue;
      if (gems::simt::row_role<F>(o) == 's') {
        expect(c, o, at(o, 0), c.operands[size_t(o)].read(at(o, 0)), r.out_stat[size_t(o)], 0.05);
        touched[size_t(o)].mark[size_t(at(o, 0))] = 1;
      } else
        for (int64_t i = 0; i < n; i++) {
          expect(c, o, at(o, i), c.operands[size_t(o)].read(at(o, i)), r.out[size_t(o)][size_t(i)], 0.25);
          touched[size_t(o)].mark[size_t(at(o, i))] = 1;
        }
    }
  });
}

template <class F> void check_scan(Case& c) {
  const int dim = c.call.it.ndim - 1;
  Touched touched(c, 0);
  walk(c, 0, dim, [&](int64_t, const std::vector<int64_t>& base) {
    double s = F::template identity<double>(), magnitude = 0;
    for (int64_t i = 0; i < c.call.it.size[dim]; i++) {
      int64_t in = c.operands[1].origin + base[1] + i * c.call.it.stride[1][dim],
              out = c.operands[0].origin + base[0] + i * c.call.it.stride[0][dim];
      double x = c.operands[1].before[size_t(in)];
      s = F::combine(s, x), magnitude += fabs(x);
      expect(c, 0, out, c.operands[0].read(out), s, magnitude * 0.01);
      touched.mark[size_t(out)] = 1;
    }
  });
}

#include "tests/simt/case_list.h"

int main() {
  for (const Entry& e : kKernels)
    if (e.run) g_by_body[e.body] = &e;
  cases();
  variant_cases();
#ifdef LIST
  for (const auto& [id, attributes] : g_asked) printf("%s | %s\n", id.c_str(), attributes.c_str());
#else
  printf("%d cases, %zu kernels, %d variants, %d failures\n", g_cases, g_asked.size(), g_variants, g_failures);
#endif
  return g_failures != 0;
}
