// The gradient of embedding: a scatter-add in a fixed order.
#include "backends/cpu/block.h"

#define GEMS_DECLARE(isa) extern "C" const gems_accumulate_table gems_accumulate_##isa;
GEMS_FOR_EACH_ISA(GEMS_DECLARE)
#undef GEMS_DECLARE

namespace gems::cpu {

namespace {

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
    if (static_cast<uint64_t>(at[i]) >= static_cast<uint64_t>(rows)) return failed("index out of range in self");
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

gems_status embedding_gradient(const gems_call* call) {
  return call->t[2].dtype == GEMS_I64 ? embedding_gradient<int64_t>(call) : embedding_gradient<int32_t>(call);
}

}  // namespace gems::cpu
