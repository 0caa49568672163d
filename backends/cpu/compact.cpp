// The compact family (docs/design.md): nonzero, masked_select, masked_scatter. A first call marks what isn't zero, one bit an element, and
// counts; the second, whose output could then be allocated, reads the marks alone.
#include "backends/cpu/block.h"
#include "kernels/simd/offsets.h"

#define GEMS_DECLARE(isa) extern "C" const gems_compact_table gems_compact_##isa;
GEMS_FOR_EACH_ISA(GEMS_DECLARE)
#undef GEMS_DECLARE

namespace gems::cpu {

namespace {

constexpr int64_t kChunk = 4096, kWords = kChunk / 64;  // elements that share an entry of the running count

const gems_compact_table& table() {
#define GEMS_ADDRESS(isa) &gems_compact_##isa,
  static constexpr const gems_compact_table* tables[] = {GEMS_FOR_EACH_ISA(GEMS_ADDRESS)};
#undef GEMS_ADDRESS
  return *tables[isa()];
}

struct Marks {
  uint64_t* words;  // [(n + 63) / 64]
  int64_t* before;  // [chunks + 1]: how many are marked in front of chunk c; the last is the total
  int64_t n, chunks;
  Marks(void* memory, int64_t n)
      : words(static_cast<uint64_t*>(memory)),
        before(static_cast<int64_t*>(memory) + (n + 63) / 64),
        n(n),
        chunks((n + kChunk - 1) / kChunk) {}
};

gems_status count(const gems_call* call) {
  const gems_tensor& mask = call->t[1];
  Marks m(call->t[0].data, mask.numel);
  const auto mark = table().mark[mask.dtype];
  const int size = dtype_size(mask.dtype);
  parallel_items(m.chunks, kChunk * size, [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; c++) {
      const int64_t here = std::min(kChunk, m.n - c * kChunk);
      mark(static_cast<const char*>(mask.data) + c * kChunk * size, m.words + c * kWords, here);
      int64_t sum = 0;
      for (int64_t w = 0; w < (here + 63) / 64; w++) sum += __builtin_popcountll(m.words[c * kWords + w]);
      m.before[c] = sum;
    }
  });
  int64_t sum = 0;
  for (int64_t c = 0; c <= m.chunks; c++) {
    const int64_t here = c < m.chunks ? m.before[c] : 0;
    m.before[c] = sum;
    sum += here;
  }
  return GEMS_OK;
}

// f(chunk, positions of what is marked relative to the chunk, how many, how many before)
template <class F> void for_each_chunk(const Marks& m, int64_t bytes, F f) {
  parallel_items(m.chunks, kChunk * bytes, [&](int64_t begin, int64_t end) {
    int32_t at[kChunk + GEMS_POSITIONS_SLACK];
    for (int64_t c = begin; c < end; c++) {
      if (m.before[c] == m.before[c + 1]) continue;
      const int64_t words = (std::min(kChunk, m.n - c * kChunk) + 63) / 64;
      const int64_t n = static_cast<int64_t>(table().positions(m.words + c * kWords, words, at));
      f(c, at, n, m.before[c]);
    }
  });
}

// Positions become coordinates: out [dims][total].
gems_status coordinates(const gems_call* call) {
  const gems_tensor &out = call->t[0], &mask = call->t[2];
  const int nd = mask.ndim;
  const Marks m(call->t[1].data, mask.numel);
  const int64_t total = m.before[m.chunks];
  for (int d = 1; d < nd; d++)
    if (mask.sizes[d] > INT32_MAX / 2) return unsupported("a dimension beyond 32 bits");
  for_each_chunk(m, nd * 8, [&](int64_t chunk, int32_t* at, int64_t n, int64_t before) {
    int64_t first = chunk * kChunk;
    for (int d = nd - 1; d > 0; d--) {
      const int64_t size = mask.sizes[d],
                    here = first % size;  // at[i] + here: how far behind the beginning of the chunk's first row
      first /= size;
      for (int64_t i = 0; i < n; i++) at[i] += static_cast<int32_t>(here);
      table().split(at, static_cast<int32_t>(size), static_cast<int64_t*>(out.data) + d * total + before, n);
    }
    int64_t* to = static_cast<int64_t*>(out.data) + before;
    for (int64_t i = 0; i < n; i++) to[i] = first + at[i];
  });
  return GEMS_OK;
}

template <class T> void select(const T* self, T* out, const int32_t* at, int64_t n) {
  for (int64_t i = 0; i < n; i++) out[i] = self[at[i]];
}
template <class T> void put(T* self, const T* source, const int32_t* at, int64_t n) {
  for (int64_t i = 0; i < n; i++) self[at[i]] = source[i];
}

template <class T> gems_status move(const gems_call* call, bool scatter) {
  const Marks m(call->t[1].data, call->t[scatter ? 0 : 2].numel);
  if (scatter && call->t[2].numel < m.before[m.chunks])
    return unsupported("fewer elements than the mask takes");  // torch's error
  for_each_chunk(m, 2 * sizeof(T), [&](int64_t chunk, const int32_t* at, int64_t n, int64_t before) {
    if (scatter) put(static_cast<T*>(call->t[0].data) + chunk * kChunk, static_cast<const T*>(call->t[2].data) + before, at, n);
    else select(static_cast<const T*>(call->t[2].data) + chunk * kChunk, static_cast<T*>(call->t[0].data) + before, at, n);
  });
  return GEMS_OK;
}

// t = out, inclusive sums of the repeats: number i stands at [sums[i - 1], sums[i]).
gems_status repeat(const gems_call* call) {
  int64_t* out = static_cast<int64_t*>(call->t[0].data);
  const int64_t* sums = static_cast<const int64_t*>(call->t[1].data);
  parallel_items(call->t[0].numel, sizeof(int64_t), [&](int64_t begin, int64_t end) {
    int64_t i = std::upper_bound(sums, sums + call->t[1].numel, begin) - sums;
    for (int64_t at = begin; at < end; i++) {
      const int64_t stop = std::min(end, sums[i]);
      std::fill(out + at, out + stop, i);
      at = stop;
    }
  });
  return GEMS_OK;
}

}  // namespace

gems_status run_compact(const gems_call* call) {
  for (int k = 0; k < call->nout + call->nin; k++)
    if (!dtype_is_served(call->t[k].dtype)) return unsupported("dtype");
  if (call->par[0].i == 0) return count(call);
  if (call->op->name[0] == 'r') return repeat(call);
  if (call->op->name[0] == 'n') return coordinates(call);
  const bool scatter = std::strcmp(call->op->name, "masked_scatter") == 0;
  switch (dtype_size(call->t[0].dtype)) {
    case 1: return move<uint8_t>(call, scatter);
    case 2: return move<uint16_t>(call, scatter);
    case 4: return move<uint32_t>(call, scatter);
    default: return move<uint64_t>(call, scatter);
  }
}

}  // namespace gems::cpu
