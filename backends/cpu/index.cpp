// gather, index_select, embedding: out[...] = self[..., index, ...]; and the gradient of embedding as a scatter-add in a fixed order.
#include <atomic>

#include "backends/cpu/block.h"

#define GEMS_DECLARE(isa) extern "C" const gems_accumulate_table gems_accumulate_##isa;
GEMS_FOR_EACH_ISA(GEMS_DECLARE)
#undef GEMS_DECLARE

namespace gems::cpu {

namespace {

constexpr const char* kOutOfRange = "index out of range in self";

struct Plan {
  const gems_iter* it;
  char* out;
  const char *self, *index;
  int64_t step, limit;       // of self along the indexed dimension: stride and size
  int64_t n, piece, pieces;  // the fast dimension of the output, and how it is cut
  int64_t so, ss, si;        // strides in it
  std::atomic<bool> bad{false};
};

// One index for whole rows of the result: they are copied.
template <class I> void copy_rows(Plan& p, int size, int64_t begin, int64_t end) {
  const gems_iter& it = *p.it;
  const size_t bytes = p.n * size;
  for (int64_t r = begin; r < end; r++) {
    const int64_t i = reinterpret_cast<const I*>(p.index)[offset_at(it, 2, 0, it.ndim - 1, r)];
    if (static_cast<uint64_t>(i) >= static_cast<uint64_t>(p.limit)) {
      p.bad.store(true, std::memory_order_relaxed);
      return;
    }
    std::memcpy(p.out + offset_at(it, 0, 0, it.ndim - 1, r) * size,
                p.self + (offset_at(it, 1, 0, it.ndim - 1, r) + i * p.step) * size, bytes);
  }
}

template <class I, class T> void pick_elements(Plan& p, int64_t begin, int64_t end) {
  const gems_iter& it = *p.it;
  for (int64_t q = begin; q < end; q++) {
    const int64_t run = q / p.pieces, i0 = q % p.pieces * p.piece, i1 = std::min(p.n, i0 + p.piece);
    T* out = reinterpret_cast<T*>(p.out) + offset_at(it, 0, 0, it.ndim - 1, run);
    const T* self = reinterpret_cast<const T*>(p.self) + offset_at(it, 1, 0, it.ndim - 1, run);
    const I* index = reinterpret_cast<const I*>(p.index) + offset_at(it, 2, 0, it.ndim - 1, run);
    for (int64_t i = i0; i < i1; i++) {
      const int64_t at = index[i * p.si];
      if (static_cast<uint64_t>(at) >= static_cast<uint64_t>(p.limit)) {
        p.bad.store(true, std::memory_order_relaxed);
        return;
      }
      out[i * p.so] = self[i * p.ss + at * p.step];
    }
  }
}

template <class I> void pick(Plan& p, int size, int64_t begin, int64_t end) {
  switch (size) {
    case 1: return pick_elements<I, uint8_t>(p, begin, end);
    case 2: return pick_elements<I, uint16_t>(p, begin, end);
    case 4: return pick_elements<I, uint32_t>(p, begin, end);
    default: return pick_elements<I, uint64_t>(p, begin, end);
  }
}

// grad_weight[w] = sum of grad[i] over index[i] == w, i ascending, rounded once: positions are sorted by row (stable counting sort), then
// every row is a sum of its own.
template <class I> gems_status embedding_gradient(const gems_call* call) {
  const gems_tensor &weight = call->t[0], &grad = call->t[1], &index = call->t[2];
  const int64_t rows = weight.sizes[0], width = weight.sizes[1], n = index.numel, padding = call->par[0].i;
  const I* at = static_cast<const I*>(index.data);
  const int bytes = compute_size(call->compute);
  const Matrix in{static_cast<char*>(grad.data), width, 1, dtype_size(grad.dtype), convert_fn(grad.dtype, call->compute)};
  const Matrix out{static_cast<char*>(weight.data), width, 1, dtype_size(weight.dtype), convert_fn(call->compute, weight.dtype)};
#define GEMS_ADDRESS(isa) &gems_accumulate_##isa,
  static constexpr const gems_accumulate_table* tables[] = {GEMS_FOR_EACH_ISA(GEMS_ADDRESS)};
#undef GEMS_ADDRESS
  const gems_accumulate_table* add = tables[isa()];

  Scratch sorted;
  int64_t* first = reinterpret_cast<int64_t*>(sorted.take((rows + 2 + n) * sizeof(int64_t)));
  int64_t* order = first + rows + 2;
  std::memset(first, 0, (rows + 2) * sizeof(int64_t));
  for (int64_t i = 0; i < n; i++) {
    if (static_cast<uint64_t>(at[i]) >= static_cast<uint64_t>(rows)) return failed(kOutOfRange);
    first[at[i] + 2]++;
  }
  for (int64_t r = 0; r < rows; r++)
    first[r + 2] += first[r + 1];  // first[r + 1]: where row r begins; after the next loop: where it ends
  for (int64_t i = 0; i < n; i++) order[first[at[i] + 1]++] = i;

  parallel_items(rows, width * out.size, [&](int64_t begin, int64_t end) {
    Scratch scratch;
    char* sum = scratch.take(2 * width * bytes);
    for (int64_t r = begin; r < end; r++) {
      char* row = out.data + r * width * out.size;
      if (first[r] == first[r + 1] || r == padding) {
        std::memset(row, 0, width * out.size);
        continue;
      }
      char* acc = out.convert ? sum : row;
      std::memset(acc, 0, width * bytes);
      for (int64_t k = first[r]; k < first[r + 1]; k++) {
        ptrdiff_t step;
        const void* x = load(in, order[k] * width, 1, width, bytes, sum + width * bytes, nullptr, &step);
        if (bytes == 4) add->f32(reinterpret_cast<float*>(acc), static_cast<const float*>(x), width);
        else add->f64(reinterpret_cast<double*>(acc), static_cast<const double*>(x), width);
      }
      if (out.convert) out.convert(acc, row, width);
    }
  });
  return GEMS_OK;
}

}  // namespace

gems_status run_index(const gems_call* call) {
  const gems_tensor &out = call->t[0], &self = call->t[1], &index = call->t[2];
  if (!dtype_is_served(out.dtype) || self.dtype != out.dtype) return unsupported("dtype");
  if (index.dtype != GEMS_I32 && index.dtype != GEMS_I64) return unsupported("dtype of the index");
  const bool wide = index.dtype == GEMS_I64;
  if (std::strcmp(call->op->name, "embedding_dense_backward") == 0)
    return wide ? embedding_gradient<int64_t>(call) : embedding_gradient<int32_t>(call);

  const gems_iter& it = call->it;
  Plan p;
  p.it = &it;
  p.out = static_cast<char*>(out.data);
  p.self = static_cast<const char*>(self.data);
  p.index = static_cast<const char*>(index.data);
  p.step = call->par[0].i;
  p.limit = call->par[1].i;
  const int fast = it.ndim - 1, size = dtype_size(out.dtype);
  p.n = it.size[fast];
  const int64_t outer = product(it.size, 0, fast);
  if (p.n == 0 || outer == 0) return GEMS_OK;
  p.so = it.stride[0][fast];
  p.ss = it.stride[1][fast];
  p.si = it.stride[2][fast];
  if (p.n == 1 || (p.si == 0 && p.so == 1 && p.ss == 1)) {
    parallel_items(outer, 2 * p.n * size,
                   [&](int64_t b, int64_t e) { wide ? copy_rows<int64_t>(p, size, b, e) : copy_rows<int32_t>(p, size, b, e); });
  } else {
    p.piece = outer >= 64 ? p.n : std::min<int64_t>(p.n, 8192);
    p.pieces = (p.n + p.piece - 1) / p.piece;
    parallel_items(outer * p.pieces, p.piece * (2 * size + (wide ? 8 : 4)),
                   [&](int64_t b, int64_t e) { wide ? pick<int64_t>(p, size, b, e) : pick<int32_t>(p, size, b, e); });
  }
  return p.bad.load() ? failed(kOutOfRange) : GEMS_OK;
}

}  // namespace gems::cpu
