// Scans: along rows with a carry, down columns with a row of carries, and long single rows in chunks whose totals are known first.
#include "backends/cpu/block.h"

namespace gems::cpu {

namespace {

constexpr int64_t kBlock = 4096;   // elements that go through a buffer at a time
constexpr int64_t kChunk = 65536;  // of a row that is cut for several threads

struct Plan {
  const gems_iter* it;
  gems_scan_fn inner, outer, total, carry;
  Matrix in, out;
  int bytes, wide, nk;  // bytes of the compute type and of a carry
  int64_t n, K;
  bool direct;

  int64_t start(int k, int64_t run) const { return offset_at(*it, k, 0, nk - 1, run); }
  size_t scratch(int64_t elements) const { return direct ? 64 : elements * (2 * bytes + std::max(in.size, out.size)) + 64; }
};

// A dense matrix part: rows x n from the offsets; `leaf` gets pointers in the compute type.
template <class F>
void through(const Plan& p, int64_t in_offset, int64_t out_offset, int64_t rows, int64_t n, char* memory, bool stores, F leaf) {
  char *from = memory, *to = from + rows * n * p.bytes, *raw = to + rows * n * p.bytes;
  ptrdiff_t in_step, out_step;
  const void* in = load(p.in, in_offset, rows, n, p.bytes, from, raw, &in_step);
  const bool direct = p.out.direct(n);
  void* out = direct ? p.out.data + out_offset * p.out.size : to;
  out_step = direct ? p.out.row : n;
  leaf(in, in_step, out, out_step);
  if (stores && !direct) store(p.out, out_offset, rows, n, to, raw);
}

// Columns [j0, j0 + n) of a run: in and out are matrices whose rows are the scanned dimension.
void scan_columns(const Plan& p, int64_t run, int64_t j0, int64_t n, char* carry, char* memory) {
  const int64_t block = p.direct ? p.n : std::max<int64_t>(kBlock / n, 1);
  p.carry(nullptr, 0, nullptr, 0, 0, n, carry);
  for (int64_t r = 0; r < p.n; r += block) {
    const int64_t rows = std::min(block, p.n - r);
    through(p, p.start(1, run) + j0 * p.in.col + r * p.in.row, p.start(0, run) + j0 * p.out.col + r * p.out.row, rows, n, memory,
            true, [&](const void* in, ptrdiff_t is, void* out, ptrdiff_t os) { p.outer(in, is, out, os, rows, n, carry); });
  }
}

// Elements [from, to) of rows [r0, r0 + rows); the carries are set by the caller.
void scan_rows(const Plan& p, int64_t run, int64_t r0, int64_t rows, int64_t from, int64_t to, char* carry, char* memory,
               bool only_total) {
  const int64_t block = p.direct ? to - from : std::max<int64_t>(kBlock / rows, 1);
  for (int64_t i = from; i < to; i += block) {
    const int64_t n = std::min(block, to - i);
    through(p, p.start(1, run) + r0 * p.in.row + i * p.in.col, p.start(0, run) + r0 * p.out.row + i * p.out.col, rows, n, memory,
            !only_total, [&](const void* in, ptrdiff_t is, void* out, ptrdiff_t os) {
              (only_total ? p.total : p.inner)(in, is, out, os, rows, n, carry);
            });
  }
}

// Few long rows: every chunk's total, then every chunk with the carry of those before it.
void scan_chunks(const Plan& p, int64_t rows_total) {
  const int64_t chunks = (p.n + kChunk - 1) / kChunk;
  Scratch shared;
  char* carries = shared.take(rows_total * chunks * p.wide);
  auto each = [&](bool only_total) {
    parallel_items(rows_total * chunks, kChunk * p.in.size, [&](int64_t begin, int64_t end) {
      Scratch scratch;
      char* memory = scratch.take(p.scratch(kBlock));
      for (int64_t i = begin; i < end; i++) {
        const int64_t row = i / chunks, c = i % chunks;
        scan_rows(p, row / p.K, row % p.K, 1, c * kChunk, std::min(p.n, (c + 1) * kChunk), carries + i * p.wide, memory,
                  only_total);
      }
    });
  };
  p.carry(nullptr, 0, nullptr, 0, 0, rows_total * chunks, carries);
  each(true);
  for (int64_t r = 0; r < rows_total; r++) {  // totals to exclusive sums
    char* row = carries + r * chunks * p.wide;
    alignas(8) char before[8], total[8];
    p.carry(nullptr, 0, nullptr, 0, 0, 1, before);
    for (int64_t c = 0; c < chunks; c++) {
      std::memcpy(total, row + c * p.wide, p.wide);
      std::memcpy(row + c * p.wide, before, p.wide);
      p.carry(total, 0, nullptr, 0, 1, 1, before);
    }
  }
  each(false);
}

}  // namespace

gems_status run_scan(const gems_call* call) {
  const gems_iter& it = call->it;
  const gems_any_fn* fn = cells_of(call->op)->fn[cell_type(call->compute)];
  if (!fn[GEMS_SCAN_INNER]) return unsupported("compute type not declared");
  const gems_tensor &out = call->t[0], &in = call->t[1];
  if (!dtype_is_served(in.dtype) || !dtype_is_served(out.dtype)) return unsupported("dtype");
  Plan p;
  p.it = &it;
  p.inner = reinterpret_cast<gems_scan_fn>(fn[GEMS_SCAN_INNER]);
  p.outer = reinterpret_cast<gems_scan_fn>(fn[GEMS_SCAN_OUTER]);
  p.total = reinterpret_cast<gems_scan_fn>(fn[GEMS_SCAN_TOTAL]);
  p.carry = reinterpret_cast<gems_scan_fn>(fn[GEMS_SCAN_CARRY]);
  p.bytes = compute_size(call->compute);
  p.wide = call->compute == GEMS_I32 ? 4 : 8;
  p.nk = it.ndim - 1;
  p.n = it.size[p.nk];
  p.K = p.nk ? it.size[p.nk - 1] : 1;
  const int64_t kept = product(it.size, 0, p.nk);
  if (kept == 0 || p.n == 0) return GEMS_OK;
  auto matrix = [&](int k, gems_convert_fn convert, bool columns) {
    const int64_t row = p.nk ? it.stride[k][p.nk - 1] : 0, col = it.stride[k][p.nk];
    return Matrix{static_cast<char*>(call->t[k].data), columns ? col : row, columns ? row : col, dtype_size(call->t[k].dtype),
                  convert};
  };
  const int64_t kept_stride = p.nk ? it.stride[1][p.nk - 1] : 0, scan_stride = it.stride[1][p.nk];
  const bool columns = p.K > 1 && (p.n == 1 || (scan_stride != 1 && kept_stride != 0 && kept_stride < scan_stride));
  p.in = matrix(1, convert_fn(in.dtype, call->compute), columns);
  p.out = matrix(0, convert_fn(call->compute, out.dtype), columns);
  p.direct = p.in.direct(columns ? p.K : p.n) && p.out.direct(columns ? p.K : p.n);

  if (columns) {
    const int64_t tile = std::min<int64_t>(p.K, 512), tiles = (p.K + tile - 1) / tile;
    parallel_items(kept / p.K * tiles, p.n * tile * p.in.size, [&](int64_t begin, int64_t end) {
      Scratch scratch;
      char* memory = scratch.take(p.scratch(std::max(kBlock, tile)) + tile * p.wide);
      for (int64_t i = begin; i < end; i++) {
        const int64_t j0 = i % tiles * tile;
        scan_columns(p, i / tiles, j0, std::min(tile, p.K - j0), memory, memory + tile * p.wide);
      }
    });
  } else if (kept < 16 && p.n >= 2 * kChunk) {
    scan_chunks(p, kept);
  } else {
    const int64_t batch = std::clamp<int64_t>(kBlock / p.n, 1, p.K), batches = (p.K + batch - 1) / batch;
    parallel_items(kept / p.K * batches, batch * p.n * p.in.size, [&](int64_t begin, int64_t end) {
      Scratch scratch;
      char* memory = scratch.take(p.scratch(std::max(kBlock, batch)) + batch * p.wide);
      for (int64_t i = begin; i < end; i++) {
        const int64_t r0 = i % batches * batch, rows = std::min(batch, p.K - r0);
        p.carry(nullptr, 0, nullptr, 0, 0, rows, memory);
        scan_rows(p, i / batches, r0, rows, 0, p.n, memory, memory + batch * p.wide, false);
      }
    });
  }
  return GEMS_OK;
}

}  // namespace gems::cpu
