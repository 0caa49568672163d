// Row operators (softmax, norms): batches of rows are brought into the compute type, the kernel of the instruction set does the rest.
#include "backends/cpu/block.h"

namespace gems::cpu {

namespace {

enum class Role : char { row, vector, stat, absent };

struct Plan {
  const gems_iter* it;
  gems_row_fn kernel;
  gems_row_args args;  // what is the same for every batch
  int nin, nout, nk, bytes;
  Role role[GEMS_MAX_OPERANDS];
  Matrix m[GEMS_MAX_OPERANDS];   // outputs (role row) without conversion: the kernel stores in their dtype
  int64_t n, K, batch, batches;  // fast kept dimension; rows of a batch; batches of one run of K rows
};

// Bytes of a batch's scratch memory; with `memory` the batches [begin, end) run.
size_t walk(const Plan& p, char* memory, int64_t begin, int64_t end) {
  gems_row_args a = p.args;
  char* next = memory;
  auto take = [&](int64_t bytes) {
    char* r = next;
    next += (bytes + 63) & ~int64_t{63};
    return r;
  };
  // Room is the same for every batch.
  char *buffer[GEMS_MAX_OPERANDS] = {}, *raw[GEMS_MAX_OPERANDS] = {};
  const int nops = p.nout + p.nin;
  for (int k = 0; k < nops; k++) {
    const Matrix& m = p.m[k];
    const bool in = k >= p.nout;
    if (p.role[k] == Role::row && in) {
      const bool copied = !m.direct(p.n);
      if (copied) buffer[k] = take(p.batch * p.n * p.bytes);
      if (copied && m.convert && (m.col != 1 || p.n == 1)) raw[k] = take(p.batch * p.n * m.size);
      a.cache[k - p.nout] = copied && p.batch == 1 ? buffer[k] : take(p.n * p.bytes);
    } else if (p.role[k] == Role::row && !m.direct(p.n)) {
      buffer[k] = take(p.batch * p.n * m.size);
    } else if (p.role[k] == Role::stat && m.convert) {
      buffer[k] = take(p.batch * p.bytes);
      raw[k] = take(p.batch * m.size);
    }
  }
  if (!memory) return next - memory;

  for (int64_t b = begin; b < end; b++) {
    const int64_t run = b / p.batches, r0 = b % p.batches * p.batch, rows = std::min(p.batch, p.K - r0);
    int64_t offset[GEMS_MAX_OPERANDS];
    a.rows = rows;
    for (int k = 0; k < nops; k++) {
      const Matrix& m = p.m[k];
      if (p.role[k] == Role::absent || p.role[k] == Role::vector) continue;
      offset[k] = offset_at(*p.it, k, 0, p.nk - 1, run) + r0 * m.row;
      if (k >= p.nout) {
        ptrdiff_t step;
        a.in[k - p.nout] = load(m, offset[k], rows, p.role[k] == Role::stat ? 1 : p.n, p.bytes, buffer[k], raw[k], &step);
        a.in_step[k - p.nout] = step * p.bytes;
      } else if (buffer[k]) {
        a.out[k] = buffer[k];
        a.out_step[k] = p.role[k] == Role::stat ? p.bytes : p.n * m.size;
      } else {
        a.out[k] = m.data + offset[k] * m.size;
        a.out_step[k] = m.row * m.size;
      }
    }
    p.kernel(&a);
    for (int o = 0; o < p.nout; o++)
      if (buffer[o]) store(p.m[o], offset[o], rows, p.role[o] == Role::stat ? 1 : p.n, buffer[o], raw[o]);
  }
  return 0;
}

}  // namespace

// Direct rows: batches of 64 KiB. Converted ones: what fits the first-level cache. Rows across a dense dimension: as many as
// share a cache line.
int64_t row_batch(int64_t n, int64_t rows, bool direct, bool strided, int size) {
  const int64_t n1 = std::max<int64_t>(n, 1);
  int64_t batch = scaled(direct ? 16384 : 4096) / n1;
  if (strided) batch = std::max(batch, std::min<int64_t>(64 / size, 262144 / n1));
  return std::clamp<int64_t>(batch, 1, rows);
}

// Softmax along another dimension than the last: torch's kernels keep a register of neighbouring columns and go down them; ours
// transposes blocks into rows, and a row of few elements costs its reductions. n x 4096 over n, native / ours in us, two cores of a Zen 4:
//   softmax bfloat16      64: 99/166   256: 403/478   1024: 2296/3104   4096: 25504/20869;   float 16: 48/79   64: 183/155
//   log_softmax bfloat16  64: 106/191  256: 401/501   1024: 2555/2764   4096: 27104/19242;   float 64: 101/176 256: 539/588 1024: 8405/4267
static bool native_goes_down_columns(const gems_call* call, int64_t n) {
  const bool log = std::strcmp(call->op->name, "log_softmax") == 0;
  if (!log && std::strcmp(call->op->name, "softmax") != 0) return false;
  if (call->compute != GEMS_F32) return false;  // not measured
  return n <= (dtype_size(call->t[1].dtype) == 2 ? 1024 : log ? 256 : 32);
}

gems_status run_row(const gems_call* call) {
  const gems_iter& it = call->it;
  Plan p;
  p.it = &it;
  p.kernel = reinterpret_cast<gems_row_fn>(cells_of(call->op)->fn[cell_type(call->compute)][0]);
  if (!p.kernel) return unsupported("compute type not declared");
  p.nin = call->nin;
  p.nout = call->nout;
  p.nk = it.ndim - 1;
  p.bytes = compute_size(call->compute);
  p.n = it.size[p.nk];
  p.K = p.nk ? it.size[p.nk - 1] : 1;
  const int64_t kept = product(it.size, 0, p.nk);
  if (kept == 0) return GEMS_OK;
  gems_row_args& a = p.args;
  a.n = p.n;
  a.par = call->par;

  const int nops = p.nout + p.nin;
  const char* roles = call->op->roles;
  bool direct = true, strided = false;
  int64_t row_bytes = 0, vector_bytes = 0;
  for (int k = 0; k < nops; k++) {
    while (*roles == ' ') roles++;
    const char role = *roles ? *roles++ : 'r';
    const gems_tensor& t = call->t[k];
    const bool in = k >= p.nout;
    if (t.flags & GEMS_T_ABSENT) {
      p.role[k] = Role::absent;
      if (in) a.in[k - p.nout] = nullptr;
      else a.out[k] = nullptr;
      continue;
    }
    if (!dtype_is_served(t.dtype) || (t.flags & GEMS_T_SCALAR)) return unsupported("operand of a row operator");
    p.role[k] = role == 'r' ? Role::row : role == 'v' ? Role::vector : Role::stat;
    const gems_convert_fn convert = in ? convert_fn(t.dtype, call->compute) : convert_fn(call->compute, t.dtype);
    Matrix& m = p.m[k];
    m = {static_cast<char*>(t.data), p.nk ? it.stride[k][p.nk - 1] : 0, role == 's' ? 1 : it.stride[k][p.nk], dtype_size(t.dtype),
         convert};
    if (!in) {
      a.store[k] = convert;
      a.load[k] = convert_fn(t.dtype, call->compute);
      a.out_size[k] = m.size;
      if (role == 'r') m.convert = nullptr;
    }
    if (p.role[k] == Role::row) {
      direct = direct && m.direct(p.n);
      strided = strided || (m.col != 1 && p.n > 1);
      row_bytes += p.n * m.size;
    } else if (p.role[k] == Role::vector) {
      vector_bytes += p.n * (p.bytes + m.size) + 128;
    }
  }
  if (strided && call->candidate == 0 && native_goes_down_columns(call, p.n)) return unsupported("short columns");
  p.batch = row_batch(p.n, p.K, direct, strided, p.m[p.nout].size);
  p.batches = (p.K + p.batch - 1) / p.batch;

  Scratch vectors;  // converted once for all rows
  if (vector_bytes) {
    char* next = nullptr;
    for (int k = p.nout; k < nops; k++) {
      if (p.role[k] != Role::vector) continue;
      const Matrix& m = p.m[k];
      if (!m.direct(p.n) && !next) next = vectors.take(vector_bytes);
      ptrdiff_t step;
      a.in[k - p.nout] = load(m, 0, 1, p.n, p.bytes, next, next ? next + p.n * p.bytes : nullptr, &step);
      a.in_step[k - p.nout] = 0;
      if (next) next += (p.n * (p.bytes + m.size) + 63) & ~int64_t{63};
    }
  }
  const size_t scratch_bytes = walk(p, nullptr, 0, 0);
  parallel_items(kept / p.K * p.batches, p.batch * row_bytes, [&](int64_t begin, int64_t end) {
    Scratch scratch;
    walk(p, scratch.take(scratch_bytes + 64), begin, end);
  });
  return GEMS_OK;
}

}  // namespace gems::cpu
