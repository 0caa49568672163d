// The index family (docs/design.md): gather out[p] = self[p, indexed], and scatter self[p, indexed] = combine(that, src[p]).
// One operand is walked (out, src), the other is a table (self) whose strides are 0 along the indexed dimensions.
#include <atomic>

#include "backends/cpu/block.h"
#include "kernels/simd/offsets.h"

#define GEMS_DECLARE(isa) extern "C" const gems_offsets_table gems_offsets_##isa;
GEMS_FOR_EACH_ISA(GEMS_DECLARE)
#undef GEMS_DECLARE

namespace gems::cpu {

namespace {

constexpr int kMaxIndex = 3;
constexpr int64_t kBlock = 1024;  // elements whose offsets are in L1 at once

const gems_offsets_table& table() {
#define GEMS_ADDRESS(isa) &gems_offsets_##isa,
  static constexpr const gems_offsets_table* tables[] = {GEMS_FOR_EACH_ISA(GEMS_ADDRESS)};
#undef GEMS_ADDRESS
  return *tables[isa()];
}

struct Plan {
  const gems_iter* it;
  int walked, base;  // operand numbers: gather 0 and 1, scatter 1 and 0
  char *data, *table;
  int size, fast, indices;
  int64_t n;  // of the fast dimension
  const char* index[kMaxIndex];
  int64_t step[kMaxIndex], limit[kMaxIndex], wrap[kMaxIndex];
  std::atomic<bool> bad{false};

  int64_t offset(int k, int64_t run) const { return offset_at(*it, k, 0, fast, run); }
  int64_t stride(int k) const { return it->stride[k][fast]; }
  bool rows() const {  // whole rows move: one index for each
    bool r = n == 1 || (stride(base) == 1 && (stride(walked) == 1 || (walked == 1 && stride(walked) == 0)));
    for (int k = 0; k < indices; k++) r = r && (n == 1 || stride(2 + k) == 0);
    return r;
  }
};

// at[i] = the table's offset of element i0 + i of a run whose indices begin at `index`; false: an index is out of range.
template <class I> bool locate(const Plan& p, const int64_t* run, int64_t i0, int64_t n, int64_t* at) {
  bool bad = false;
  for (int k = 0; k < p.indices; k++) {
    const int64_t stride = p.stride(2 + k), step = p.step[k], limit = p.limit[k], wrap = p.wrap[k];
    const I* x = reinterpret_cast<const I*>(p.index[k]) + run[k] + i0 * stride;
    auto loop = [&](auto dense, auto first) {
      for (int64_t i = 0; i < n; i++) {
        int64_t v = x[dense ? i : i * stride];
        v += v >> 63 & wrap;
        bad |= static_cast<uint64_t>(v) >= static_cast<uint64_t>(limit);
        at[i] = (first ? 0 : at[i]) + v * step;
      }
    };
    if (k) loop(std::false_type{}, std::false_type{});
    else if (stride == 1) loop(std::true_type{}, std::true_type{});
    else loop(std::false_type{}, std::true_type{});
  }
  return !bad;
}
template <class I> bool locate_run(const Plan& p, int64_t run, int64_t i0, int64_t n, int64_t* at) {
  int64_t begin[kMaxIndex];
  for (int k = 0; k < p.indices; k++) begin[k] = p.offset(2 + k, run);
  return locate<I>(p, begin, i0, n, at);
}

// ---- gather ----

template <class I> void copy_rows(Plan& p, int64_t begin, int64_t end) {
  const size_t bytes = p.n * p.size;
  for (int64_t r = begin; r < end; r++) {
    int64_t at;
    if (!locate_run<I>(p, r, 0, 1, &at)) return p.bad.store(true, std::memory_order_relaxed);
    std::memcpy(p.data + p.offset(0, r) * p.size, p.table + (p.offset(1, r) + at) * p.size, bytes);
  }
}

template <class O> void move(const Plan& p, char* out, const char* self, const O* at, int64_t n) {
  const int log_size = __builtin_ctz(p.size);
  if (p.stride(0) == 1) {
    if constexpr (sizeof(O) == 4) table().gather32[log_size](out, self, at, n);
    else table().gather64[log_size](out, self, at, n);
    return;
  }
  auto each = [&](auto* to, auto* from) {
    for (int64_t i = 0; i < n; i++) to[i * p.stride(0)] = from[at[i]];
  };
  switch (p.size) {
    case 1: return each(reinterpret_cast<uint8_t*>(out), reinterpret_cast<const uint8_t*>(self));
    case 2: return each(reinterpret_cast<uint16_t*>(out), reinterpret_cast<const uint16_t*>(self));
    case 4: return each(reinterpret_cast<uint32_t*>(out), reinterpret_cast<const uint32_t*>(self));
    default: return each(reinterpret_cast<uint64_t*>(out), reinterpret_cast<const uint64_t*>(self));
  }
}

gems_index_run run_of(const Plan& p, int64_t index, int64_t i0) {
  const int64_t stride = p.stride(2);
  return {reinterpret_cast<const int64_t*>(p.index[0]) + index + i0 * stride,
          stride,
          p.step[0],
          p.stride(p.base),
          p.stride(p.walked),
          p.limit[0],
          p.wrap[0]};
}

template <class I> void pick(Plan& p, int64_t piece, int64_t pieces, int64_t begin, int64_t end) {
  int64_t at[kBlock];
  for (int64_t q = begin; q < end; q++) {
    const int64_t run = q / pieces, i0 = q % pieces * piece, i1 = std::min(p.n, i0 + piece);
    char* out = p.data + p.offset(0, run) * p.size;
    const char* self = p.table + p.offset(1, run) * p.size;
    int64_t first[kMaxIndex];
    for (int k = 0; k < p.indices; k++) first[k] = p.offset(2 + k, run);
    if (sizeof(I) == 8 && p.indices == 1) {
      const gems_index_run r = run_of(p, first[0], i0);
      if (!table().pick[__builtin_ctz(p.size)](out + i0 * p.stride(0) * p.size, self + i0 * p.stride(1) * p.size, &r, i1 - i0))
        return p.bad.store(true, std::memory_order_relaxed);
      continue;
    }
    for (int64_t i = i0; i < i1; i += kBlock) {
      const int64_t n = std::min(kBlock, i1 - i);
      if (!locate<I>(p, first, i, n, at)) return p.bad.store(true, std::memory_order_relaxed);
      if (p.stride(1))
        for (int64_t j = 0; j < n; j++) at[j] += (i + j) * p.stride(1);
      move(p, out + i * p.stride(0) * p.size, self, at, n);
    }
  }
}

// The same indices for every run (index_select of columns): they are looked at once, and kept in 32 bits where that is enough.
template <class I> gems_status pick_columns(Plan& p, int64_t outer) {
  Scratch memory;
  int64_t* at = reinterpret_cast<int64_t*>(memory.take(p.n * sizeof(int64_t)));
  if (!locate_run<I>(p, 0, 0, p.n, at)) return failed("index out of range in self");
  bool narrow = true;
  for (int64_t i = 0; i < p.n; i++) {
    at[i] += i * p.stride(1);
    narrow = narrow && at[i] == static_cast<int32_t>(at[i]);
  }
  int32_t* short_at = reinterpret_cast<int32_t*>(at);
  if (narrow)
    for (int64_t i = 0; i < p.n; i++) {
      const int32_t v = static_cast<int32_t>(at[i]);
      std::memcpy(short_at + i, &v, sizeof v);
    }
  // What the next run picks from, if it is dense: picked in no order, it would come line by line with nothing fetched ahead.
  const int64_t row = p.indices == 1 && p.step[0] == 1 && p.stride(1) == 0 ? p.limit[0] * p.size : 0;
  const int64_t ahead = row <= 65536 && p.n * p.size * 2 >= row ? row : 0;
  parallel_items(outer, p.n * p.size * 2, [&](int64_t begin, int64_t end) {
    for (int64_t run = begin; run < end; run++) {
      char* out = p.data + p.offset(0, run) * p.size;
      const char* self = p.table + p.offset(1, run) * p.size;
      if (run + 1 < end && ahead) {
        const char* next = p.table + p.offset(1, run + 1) * p.size;
        for (int64_t line = 0; line < ahead; line += 64) __builtin_prefetch(next + line);
      }
      if (narrow) move(p, out, self, short_at, p.n);
      else move(p, out, self, at, p.n);
    }
  });
  return GEMS_OK;
}

template <class I> gems_status gather(Plan& p) {
  const gems_iter& it = *p.it;
  const int64_t outer = product(it.size, 0, p.fast);
  bool columns = outer >= 4 && p.n >= 16;
  for (int k = 0; k < p.indices; k++)
    for (int d = 0; d < p.fast; d++) columns = columns && it.stride[2 + k][d] == 0;
  if (p.rows()) {
    parallel_items(outer, 2 * p.n * p.size, [&](int64_t b, int64_t e) { copy_rows<I>(p, b, e); });
  } else if (columns) {
    return pick_columns<I>(p, outer);
  } else {
    const int64_t piece = outer >= 64 ? p.n : std::min<int64_t>(p.n, 8192), pieces = (p.n + piece - 1) / piece;
    parallel_items(outer * pieces, piece * (2 * p.size + static_cast<int64_t>(sizeof(I))),
                   [&](int64_t b, int64_t e) { pick<I>(p, piece, pieces, b, e); });
  }
  return p.bad.load() ? failed("index out of range in self") : GEMS_OK;
}

// ---- scatter ----
// Two positions that differ in a dimension in which the table has a stride meet different elements, so those dimensions may be shared
// among threads. Along the others equal indices meet: they are walked in order by one thread. Where there is too little to share, each
// thread walks everything and keeps what falls into its part of the first index's range. So results don't depend on threads.
struct Order {
  int free[GEMS_MAX_DIMS], serial[GEMS_MAX_DIMS];  // dims before the fast one
  int nfree = 0, nserial = 0;
  int64_t items = 1, runs = 1;  // products of their sizes
};

void offsets_of(const Plan& p, const int* dims, int nd, int64_t position, int64_t* offset) {
  for (int i = nd - 1; i >= 0; i--) {
    const int64_t size = p.it->size[dims[i]], c = i ? position % size : position;
    position /= size;
    for (int k = 0; k < 2 + p.indices; k++) offset[k] += c * p.it->stride[k][dims[i]];
  }
}

template <class I>
void put_item(Plan& p, const Order& o, int dtype, int combine, int64_t item, int64_t i0, int64_t i1, int64_t lo, int64_t hi) {
  const bool rows = p.rows(), all = lo == 0 && hi == p.limit[0];
  const auto row = table().row[dtype][combine];
  const auto each = table().each[dtype][combine];
  int64_t at[kBlock], from[kBlock], base[2 + kMaxIndex] = {};
  offsets_of(p, o.free, o.nfree, item, base);
  for (int64_t r = 0; r < o.runs; r++) {
    int64_t offset[2 + kMaxIndex];
    for (int k = 0; k < 2 + p.indices; k++) offset[k] = base[k];
    offsets_of(p, o.serial, o.nserial, r, offset);
    char* dst = p.table + offset[0] * p.size;
    const char* src = p.data + offset[1] * p.size;
    auto mine = [&](int64_t i) {  // does the first index of element i fall into [lo, hi)?
      int64_t v = reinterpret_cast<const I*>(p.index[0])[offset[2] + i * p.stride(2)];
      v += v >> 63 & p.wrap[0];
      return v >= lo && v < hi;
    };
    if (rows) {
      if (!locate<I>(p, offset + 2, i0, 1, at)) return p.bad.store(true, std::memory_order_relaxed);
      if (!all && !mine(i0)) continue;
      dst += (at[0] + i0 * (p.n > 1)) * p.size;
      const int64_t step = p.n > 1 ? p.stride(1) : 1;
      src += i0 * step * (p.n > 1) * p.size;
      if (combine == GEMS_SET && step) std::memcpy(dst, src, (i1 - i0) * p.size);
      else row(dst, src, step, i1 - i0);
      continue;
    }
    if (sizeof(I) == 8 && p.indices == 1 && all) {
      const gems_index_run run = run_of(p, offset[2], i0);
      if (!table().put[dtype][combine](dst + i0 * p.stride(0) * p.size, src + i0 * p.stride(1) * p.size, &run, i1 - i0))
        return p.bad.store(true, std::memory_order_relaxed);
      continue;
    }
    for (int64_t i = i0; i < i1; i += kBlock) {
      const int64_t n = std::min(kBlock, i1 - i);
      if (!locate<I>(p, offset + 2, i, n, at)) return p.bad.store(true, std::memory_order_relaxed);
      int64_t m = 0;
      if (all) {
        for (int64_t j = 0; j < n; j++) from[j] = (i + j) * p.stride(1);
        if (p.stride(0))
          for (int64_t j = 0; j < n; j++) at[j] += (i + j) * p.stride(0);
        m = n;
      } else {
        for (int64_t j = 0; j < n; j++) {
          at[m] = at[j] + (i + j) * p.stride(0);
          from[m] = (i + j) * p.stride(1);
          m += mine(i + j);
        }
      }
      each(dst, src, at, from, m);
    }
  }
}

// Rows of 16-bit floats that are added: those of one row of the table after each other, their sum in float, rounded once. 64 rows of 4096
// bfloat16 into 64: 225 us with both operands widened as a whole, 35 so (native 60; two cores of a Zen 4).
template <class I> gems_status add_rows(Plan& p, const Order& o, int dtype) {
  const gems_iter& it = *p.it;
  bool fits = p.rows() && p.n >= 16 && p.stride(1) == 1 && p.indices == 1 && o.nserial == 1 && o.runs * 8 >= p.limit[0];
  for (int i = 0; i < o.nfree; i++) fits = fits && it.stride[2][o.free[i]] == 0;
  if (!fits) return unsupported("sums in float of this scatter");
  const int64_t limit = p.limit[0];
  Scratch scratch;
  auto* first = reinterpret_cast<int64_t*>(scratch.take(static_cast<size_t>(limit + 1 + o.runs) * sizeof(int64_t)));
  int64_t* order = first + limit + 1;  // runs by row of the table; those of row v: [first[v], first[v + 1])
  const auto row_of = [&](int64_t run) {
    const int64_t v = reinterpret_cast<const I*>(p.index[0])[run * it.stride[2][o.serial[0]]];
    return v + (v >> 63 & p.wrap[0]);
  };
  std::fill_n(first, limit + 1, 0);
  for (int64_t r = 0; r < o.runs; r++) {
    const int64_t v = row_of(r);
    if (static_cast<uint64_t>(v) >= static_cast<uint64_t>(limit)) return failed("index out of range in self");
    first[v + 1]++;
  }
  for (int64_t v = 0; v < limit; v++) first[v + 1] += first[v];
  for (int64_t r = o.runs - 1; r >= 0; r--) order[--first[row_of(r) + 1]] = r;
  for (int64_t v = 0; v < limit; v++) first[v] = first[v + 1];
  first[limit] = o.runs;
  const gems_convert_fn wide = convert_fn(dtype, GEMS_F32), narrow = convert_fn(GEMS_F32, dtype);
  const auto fold = table().fold[dtype];
  parallel_items(o.items * limit, p.n * p.size * (2 + o.runs / limit), [&](int64_t begin, int64_t end) {
    alignas(64) float sums[kBlock];
    for (int64_t q = begin; q < end; q++) {
      const int64_t v = q % limit;
      if (first[v] == first[v + 1]) continue;
      int64_t offset[2 + kMaxIndex] = {};
      offsets_of(p, o.free, o.nfree, q / limit, offset);
      for (int64_t i = 0; i < p.n; i += kBlock) {
        const auto n = static_cast<size_t>(std::min(kBlock, p.n - i));
        char* to = p.table + (offset[0] + v * p.step[0] + i) * p.size;
        wide(to, sums, n);
        for (int64_t r = first[v]; r < first[v + 1]; r++)
          fold(sums, 1, p.data + (offset[1] + order[r] * it.stride[1][o.serial[0]] + i) * p.size, 1, n);
        narrow(sums, to, n);
      }
    }
  });
  return GEMS_OK;
}

template <class I> gems_status scatter(Plan& p, int dtype, int combine) {
  const gems_iter& it = *p.it;
  const bool sums = combine & GEMS_IN_FLOAT;
  combine &= ~GEMS_IN_FLOAT;
  if (!table().each[dtype][combine]) return unsupported("dtype of a scatter");
  Order o;
  for (int d = 0; d < p.fast; d++) {
    if (it.stride[0][d]) o.free[o.nfree++] = d, o.items *= it.size[d];
    else o.serial[o.nserial++] = d, o.runs *= it.size[d];
  }
  if (sums) return add_rows<I>(p, o, dtype);
  const int64_t threads = host->num_threads(), bytes = it.numel * (2 * p.size + static_cast<int64_t>(sizeof(I)));
  int64_t pieces = 1, parts = 1;
  if (threads > 1 && bytes > 2 * kGrainBytes && o.items < 4 * threads) {
    if (p.stride(0) && p.n >= 512) pieces = std::min<int64_t>((4 * threads + o.items - 1) / o.items, p.n / 256);
    else if (o.items < threads) parts = std::min<int64_t>(threads, 8);
  }
  const int64_t piece = (p.n + pieces - 1) / pieces, total = o.items * pieces * parts;
  parallel_items(total, bytes / total, [&](int64_t begin, int64_t end) {
    for (int64_t q = begin; q < end; q++) {
      const int64_t part = q % parts, i0 = q / parts % pieces * piece;
      put_item<I>(p, o, dtype, combine, q / parts / pieces, i0, std::min(p.n, i0 + piece), p.limit[0] * part / parts,
                  p.limit[0] * (part + 1) / parts);
    }
  });
  return p.bad.load() ? failed("index out of range in self") : GEMS_OK;
}

}  // namespace

gems_status run_index(const gems_call* call) {
  if (std::strncmp(call->op->name, "nll_loss", 8) == 0) return call->nout == 2 ? nll_loss(call) : nll_loss_backward(call);
  const gems_tensor &out = call->t[0], &self = call->t[1], &index = call->t[2];
  if (!dtype_is_served(out.dtype) || self.dtype != out.dtype) return unsupported("dtype");
  for (int k = 2; k < 1 + call->nin; k++)
    if (call->t[k].dtype != index.dtype || (index.dtype != GEMS_I32 && index.dtype != GEMS_I64))
      return unsupported("dtype of the index");
  if (std::strcmp(call->op->name, "embedding_dense_backward") == 0) return embedding_gradient(call);

  const gems_iter& it = call->it;
  if (it.numel == 0) return GEMS_OK;
  const bool scatters = call->npar == GEMS_MAX_PARS;
  Plan p;
  p.it = &it;
  p.walked = scatters ? 1 : 0;
  p.base = 1 - p.walked;
  p.data = static_cast<char*>(call->t[p.walked].data);
  p.table = static_cast<char*>(call->t[p.base].data);
  p.size = dtype_size(out.dtype);
  p.fast = it.ndim - 1;
  p.n = it.size[p.fast];
  p.indices = call->nin - 1;
  for (int k = 0; k < p.indices; k++) {
    p.index[k] = static_cast<const char*>(call->t[2 + k].data);
    p.step[k] = call->par[2 * k].i;
    p.limit[k] = call->par[2 * k + 1].i;
    p.wrap[k] = call->npar > 2 && call->par[6].i ? p.limit[k] : 0;
  }
  const bool wide = index.dtype == GEMS_I64;
  if (!scatters) return wide ? gather<int64_t>(p) : gather<int32_t>(p);
  const int combine = static_cast<int>(call->par[7].i);
  return wide ? scatter<int64_t>(p, out.dtype, combine) : scatter<int32_t>(p, out.dtype, combine);
}

}  // namespace gems::cpu
