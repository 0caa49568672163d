#include <utility>

#include "backends/cpu/matmul.h"

namespace gems::cpu {
namespace {

struct Matrix {
  int64_t rows, columns, row_stride, column_stride, count, batch_stride;
};

// The last two dimensions and the one before them; false for other ranks.
bool as_matrix(const gems_tensor& t, Matrix& m) {
  if (t.ndim == 2) {
    m = {t.sizes[0], t.sizes[1], t.strides[0], t.strides[1], 1, 0};
  } else if (t.ndim == 3) {
    m = {t.sizes[1], t.sizes[2], t.strides[1], t.strides[2], t.sizes[0], t.strides[0]};
  } else if (t.ndim == 1) {  // a column: mv
    m = {t.sizes[0], 1, t.strides[0], 1, 1, 0};
  } else {
    return false;
  }
  return true;
}

// The stride of dimension `d` of self, counted from the last, broadcast to `size`; false if it can't be.
bool broadcast(const gems_tensor& t, int d, int64_t size, int64_t& stride) {
  const int at = t.ndim - 1 - d;
  if (at < 0 || (t.sizes[at] == 1 && size != 1)) {
    stride = 0;
    return true;
  }
  stride = t.strides[at];
  return t.sizes[at] == size;
}

void exchange(MatmulBatch& s) {
  gems_mm& p = s.p;
  std::swap(p.a, p.b);
  std::swap(s.a, s.b);
  std::swap(p.m, p.n);
  const int64_t a_rs = p.a_rs, a_cs = p.a_cs;
  p.a_rs = p.b_cs, p.a_cs = p.b_rs;
  p.b_rs = a_cs, p.b_cs = a_rs;
  std::swap(p.s_rs, p.s_cs);
  std::swap(p.o_rs, p.o_cs);
}

// Widened copies of a are kept small beside the b that they meet.
constexpr int64_t kMostWidened = 1 << 18;
constexpr int64_t kSmallWork = 64 * 64 * 64;

// Up to how many rows a product is thin. With more, packed blocks pay (and they serve every stride). A dot product ends with a sum
// over its vector: for short k that is most of its work. EPYC 9005, n = 512: dot and tile meet at m = 14, 30, 50 for k = 64, 128,
// 256 and at 64 for k >= 576; with AVX2 (a third of the registers' worth of rows) between 8 and 32.
int64_t thin_rows(const gems_mm& p, int type, const gems_mm_kernels& kernels, MatmulPath path) {
  if (type >= GEMS_MM_I8) return 6;  // their thin kernels go two rows at a time
  const bool wide = kernels.lanes * kernels.compute_size >= 64;
  if (path == MatmulPath::outer) return wide ? 64 : 24;
  const int64_t by_depth = p.k / 5 < 12 ? 12 : p.k / 5;
  return by_depth < (wide ? 64 : 20) ? by_depth : wide ? 64 : 20;
}

#if defined(__x86_64__)
bool has_bf16_dot_products() { return __builtin_cpu_supports("avx512bf16"); }
bool is_intel() { return __builtin_cpu_is("intel"); }
#else
bool has_bf16_dot_products() { return true; }  // not measured there: native
bool is_intel() { return false; }
#endif

// The kernel that fits as the roles are; tile if none does.
MatmulPath fitting(const gems_mm& p, const gems_mm_kernels& kernels) {
  if (p.m * p.k > kMostWidened && (kernels.widens || p.a_cs != 1)) return MatmulPath::tile;
  const bool rows = p.b_cs == 1, columns = p.b_rs == 1;
  if (rows && (p.n >= kernels.lanes || !columns)) return MatmulPath::outer;
  return columns ? MatmulPath::dot : MatmulPath::tile;
}

}  // namespace

int matmul_type(int dtype) {
  switch (dtype) {
    case GEMS_F32: return GEMS_MM_F32;
    case GEMS_F64: return GEMS_MM_F64;
    case GEMS_BF16: return GEMS_MM_BF16;
    case GEMS_F16: return GEMS_MM_F16;
    case GEMS_U8:
    case GEMS_I8: return GEMS_MM_I8;
    case GEMS_I16: return GEMS_MM_I16;
    case GEMS_I32: return GEMS_MM_I32;
    case GEMS_I64: return GEMS_MM_I64;
    default: return -1;
  }
}

const char* matmul_geometry(const gems_call* call, MatmulBatch& s) {
  const gems_tensor &out = call->t[0], &self = call->t[1], &ta = call->t[2], &tb = call->t[3];
  if (ta.dtype != out.dtype || tb.dtype != out.dtype) return "matmul: operands of different dtypes";
  Matrix a, b, o;
  if (!as_matrix(ta, a) || !as_matrix(tb, b) || !as_matrix(out, o) || ta.ndim < 2)
    return "matmul: operands of this rank aren't served";
  if (a.columns != b.rows || o.rows != a.rows || o.columns != b.columns || a.count != o.count || b.count != o.count)
    return "matmul: sizes don't fit";
  gems_mm& p = s.p;
  p.a = ta.data, p.b = tb.data, p.out = out.data, p.self = nullptr;
  p.m = o.rows, p.n = o.columns, p.k = a.columns;
  p.a_rs = a.row_stride, p.a_cs = a.column_stride;
  p.b_rs = b.row_stride, p.b_cs = b.column_stride;
  p.o_rs = o.row_stride, p.o_cs = o.column_stride;
  p.s_rs = p.s_cs = 0;
  s.count = o.count, s.a = a.batch_stride, s.b = b.batch_stride, s.out = o.batch_stride, s.self = 0;
  p.alpha = p.beta = 1;
  if (!(self.flags & GEMS_T_ABSENT)) {
    p.beta = call->par[0].d;
    p.alpha = call->par[1].d;
    if (self.dtype != out.dtype) return "matmul: operands of different dtypes";
    if (self.flags & GEMS_T_SCALAR || self.ndim > out.ndim) return "matmul: self of this rank isn't served";
    const bool vector = out.ndim == 1;
    if (!(vector || broadcast(self, 0, o.columns, p.s_cs)) || !broadcast(self, vector ? 0 : 1, o.rows, p.s_rs) ||
        !broadcast(self, 2, o.count, s.self))
      return "matmul: sizes don't fit";
    if (p.beta != 0) p.self = self.data;
    // MKL, and so native mm on 2-D float32 and float64, doesn't look at a and b when alpha is 0; all others do.
    if (p.alpha == 0 && out.ndim <= 2 && (out.dtype == GEMS_F32 || out.dtype == GEMS_F64)) p.k = 0;
  }
  // self may be out itself; another view of the same memory would be overwritten before it is read.
  const bool same_view = p.self == p.out && p.s_rs == p.o_rs && p.s_cs == p.o_cs && s.self == s.out;
  if (p.out && (p.out == p.a || p.out == p.b || (p.self == p.out && !same_view))) return "matmul: out is one of the operands";
  return nullptr;
}

MatmulPath matmul_path(MatmulBatch& s, int type, const gems_mm_kernels& kernels) {
  gems_mm& p = s.p;
  // Strides of dimensions of size 1 never count: take those that look contiguous.
  if (p.m == 1) p.a_rs = 1;
  if (p.n == 1) p.b_cs = 1;
  if (p.k == 1 && p.b_cs != 1) p.b_rs = 1;
  if (p.k == 1 && p.a_rs != 1) p.a_cs = 1;
  if (p.n < p.m) exchange(s);
  const bool small = double(p.m) * double(p.n) * double(p.k) <= kSmallWork;
  const MatmulPath path = fitting(p, kernels);
  if (path == MatmulPath::tile || small || p.m <= thin_rows(p, type, kernels, path)) {
    // Where a and b are both small, broadcasts beat the sums of dot products; elsewhere b has to be the large operand.
    if (path == MatmulPath::outer || (path == MatmulPath::dot && p.m * 4 < p.n)) return path;
    exchange(s);
    const MatmulPath other = fitting(p, kernels);
    const bool fits = small || p.m <= thin_rows(p, type, kernels, other);
    if (fits && (other == MatmulPath::outer || (path == MatmulPath::tile && other == MatmulPath::dot))) return other;
    exchange(s);
    if (path != MatmulPath::tile) return path;
  }
  // Whole tiles: rows of out contiguous, if any dimension is.
  if (p.o_cs != 1 && p.o_rs == 1) exchange(s);
  return MatmulPath::tile;
}

MatmulPath other_path(MatmulBatch& s, const gems_mm_kernels& kernels, MatmulPath path) {
  if (path != MatmulPath::tile) {
    if (s.p.o_cs != 1 && s.p.o_rs == 1) exchange(s);
    return MatmulPath::tile;
  }
  for (int i = 0; i < 2; i++) {
    if (const MatmulPath thin = fitting(s.p, kernels); thin != MatmulPath::tile) return thin;
    exchange(s);
  }
  return MatmulPath::tile;
}

// Measured on an EPYC 9005 against torch 2.13 (MKL 2024.2, oneDNN 3.12), own / native on one core:
//   float32  m = 1 2.3x, 4 2.9x, 16 2.8x, 64 2.0x, 128 1.5x, 1024^3 1.9x; with AVX2 kernels 1.3x, -, 1.7x (m = 8), -, 1.1x, 1.0x
//   bfloat16 m = 1 2.2x, 4 1.8x, 8 1.2x, 12 to 16 1.0x, 32 0.7x, 128 0.5x: native has the processor's bf16 dot products;
//            without those (ONEDNN_MAX_CPU_ISA) m = 128 2.3x, with AVX2 only 4x
//   float16  m = 1 1.0x, 16 8x, 128 9x, 1024^3 200x;  integers 1.5x to 10x
bool matmul_native_wins(const MatmulBatch& s, int type, MatmulPath path, const gems_mm_kernels& kernels) {
  const gems_mm& p = s.p;
  switch (type) {
    case GEMS_MM_BF16: {
      static const bool dot_products = has_bf16_dot_products();
      // Native's calls cost 3 to 15 us before they compute: small products are ours at any shape (128 x 128 x 64: 1.1x).
      constexpr double kNativeStart = 1 << 20;
      return dot_products && (path == MatmulPath::tile || p.m > 12) &&
             double(s.count) * double(p.m) * double(p.n) * double(p.k) > kNativeStart;
    }
    case GEMS_MM_F32:
    case GEMS_MM_F64: {
      // MKL runs AVX-512 kernels (about 90 % of the peak; ours reach 85 %) on Intel processors only. Narrower vectors than AVX2's:
      // ours at a third of MKL's AVX2, not compared on a machine that has no more.
      static const bool intel = is_intel();
      return path == MatmulPath::tile && (intel || kernels.lanes * kernels.compute_size < 32);
    }
    default: return false;
  }
}

}  // namespace gems::cpu
