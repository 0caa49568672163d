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
// A thin product has few rows; with more, packed blocks pay (they also serve every stride).
constexpr int64_t kThinRows = 64;
constexpr int64_t kSmallWork = 64 * 64 * 64;

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
    case GEMS_U8: case GEMS_I8: return GEMS_MM_I8;
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
  if (!as_matrix(ta, a) || !as_matrix(tb, b) || !as_matrix(out, o) || ta.ndim < 2) return "matmul: operands of this rank aren't served";
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

MatmulPath matmul_path(MatmulBatch& s, const gems_mm_kernels& kernels) {
  gems_mm& p = s.p;
  // Strides of dimensions of size 1 never count: take those that look contiguous.
  if (p.m == 1) p.a_rs = 1;
  if (p.n == 1) p.b_cs = 1;
  if (p.k == 1 && p.b_cs != 1) p.b_rs = 1;
  if (p.k == 1 && p.a_rs != 1) p.a_cs = 1;
  const bool exchanged = p.n < p.m;
  if (exchanged) exchange(s);
  if (p.m <= kThinRows || double(p.m) * double(p.n) * double(p.k) <= kSmallWork) {
    MatmulPath path = fitting(p, kernels);
    // Sums over vectors cost dot products more than broadcasts cost the other kernel where neither operand is large.
    if (path == MatmulPath::outer || (path == MatmulPath::dot && p.m * 4 < p.n)) return path;
    exchange(s);
    MatmulPath other = fitting(p, kernels);
    if (other == MatmulPath::outer && p.m * p.k <= kMostWidened) return other;
    if (path == MatmulPath::tile && other != MatmulPath::tile && p.m * p.k <= kMostWidened) return other;
    exchange(s);
    if (path != MatmulPath::tile) return path;
  }
  // Whole tiles: rows of out contiguous, if any dimension is.
  if (p.o_cs != 1 && p.o_rs == 1) exchange(s);
  return MatmulPath::tile;
}

bool matmul_native_wins(const MatmulBatch& s, int type, MatmulPath path) { return false; }

}  // namespace gems::cpu
