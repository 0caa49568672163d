// Random numbers with torch's stream: the words of mt19937 come one after the other, what is made of them is shared by the threads. With
// a Philox state every block of words has an address, and nothing is in turn.
#include "gems/random.h"

#include <cmath>

#include "backends/cpu/block.h"

namespace gems::cpu {

#define GEMS_DECLARE(isa) extern "C" const gems_generator_table gems_generator_##isa;
GEMS_FOR_EACH_ISA(GEMS_DECLARE)
#undef GEMS_DECLARE

namespace {

constexpr int64_t kState = 624, kRound = kState * 840;  // words at once: two megabytes; each round is a parallel region
constexpr size_t kBytes = kState * 4;
constexpr int64_t kPiece = 2048;  // words that become values together

const gems_generator_table& generator() {
#define GEMS_ADDRESS(isa) &gems_generator_##isa,
  static constexpr const gems_generator_table* tables[] = {GEMS_FOR_EACH_ISA(GEMS_ADDRESS)};
#undef GEMS_ADDRESS
  return *tables[isa()];
}

struct Work {
  gems_random_fn fn;
  const gems_scalar* par;
  char* out;
  int64_t n;               // elements
  int words, size, bytes;  // of an element: words it takes, its size in memory and in the compute type
  gems_convert_fn convert;
  bool half_open;
  uint16_t to, from;  // bits of what rounds to `to` and becomes `from`

  // Elements [begin, end) from tempered words.
  void values(const uint32_t* words_, int64_t begin, int64_t end) const {
    char* at = out + begin * size;
    if (!convert) return fn(words_, at, static_cast<size_t>(end - begin), par);
    alignas(64) char dense[kPiece * 8];
    fn(words_, dense, static_cast<size_t>(end - begin), par);
    convert(dense, at, static_cast<size_t>(end - begin));
    if (!half_open) return;
    auto* bits = reinterpret_cast<uint16_t*>(at);
    for (int64_t i = 0; i < end - begin; i++) bits[i] = bits[i] == to ? from : bits[i];
  }
};

// Words [0, total) of the generator, a whole number of pieces at a time; each(words, first, n) in any order, on several threads.
template <class F> void with_words(gems_random_state& s, int64_t total, F each) {
  const gems_generator_table& g = generator();
  const int64_t pieces = (total + kPiece - 1) / kPiece;
  if (s.philox) {
    parallel_items(pieces, kPiece * 4, [&](int64_t begin, int64_t end) {
      alignas(64) uint32_t words[kPiece];
      for (int64_t p = begin; p < end; p++) {
        g.philox(s.seed, s.offset / 4 + static_cast<uint64_t>(p) * (kPiece / 4), words, kPiece);
        each(words, p * kPiece, std::min(kPiece, total - p * kPiece));
      }
    });
    s.advance = static_cast<uint64_t>(pieces) * kPiece;
    return;
  }
  if (total <= kState - s.used) {
    alignas(64) uint32_t words[kState];
    g.temper(s.words + s.used, words, static_cast<size_t>(total));
    each(words, 0, total);
    s.used += static_cast<int32_t>(total);
    return;
  }
  Scratch memory;
  const int64_t most = std::min(kRound, (total / kState + 2) * kState);
  auto* line = reinterpret_cast<uint32_t*>(memory.take(static_cast<size_t>(kState + most) * 4));
  std::memcpy(line, s.words, kBytes);
  int64_t used = s.used;  // of the line: its first 624 words are the state
  for (int64_t done = 0; done < total;) {
    const int64_t left = total - done, missing = std::max<int64_t>(0, left - (kState - used));
    const int64_t fresh = std::min(most, (missing + kState - 1) / kState * kState), there = kState + fresh - used;
    g.twist(line, static_cast<size_t>(fresh));
    const int64_t take = there >= left ? left : there / kPiece * kPiece;
    parallel_items((take + kPiece - 1) / kPiece, kPiece * 4, [&](int64_t begin, int64_t end) {
      alignas(64) uint32_t words[kPiece];
      for (int64_t p = begin; p < end; p++) {
        const int64_t count = std::min(kPiece, take - p * kPiece);
        g.temper(line + used + p * kPiece, words, static_cast<size_t>(count));
        each(words, done + p * kPiece, count);
      }
    });
    done += take;
    used += take;
    // The block of the last word taken is the state; what lies behind it follows from it and is made again.
    const int64_t begin = (used - 1) / kState * kState;
    std::memmove(line, line + begin, kBytes);
    used -= begin;
  }
  std::memcpy(s.words, line, kBytes);
  s.used = static_cast<int32_t>(used);
}

// Elements [at, at + n) of the output, each from its own words.
void fill(gems_random_state& s, const Work& w, int64_t at, int64_t n) {
  with_words(s, n * w.words, [&](const uint32_t* words, int64_t first, int64_t count) {
    w.values(words, at + first / w.words, at + (first + count) / w.words);
  });
}

// Blocks of 16. What is left over is the last 16 values again, from words of their own, as torch has it; in float and double it has
// drawn a word for each value by then, also for those of no block.
void normal_blocks(gems_random_state& s, const Work& w) {
  const int64_t whole = w.n / 16 * 16, over = w.n - whole;
  fill(s, w, 0, whole);
  if (!over) return;
  if (w.size > 2) with_words(s, over * w.words, [](const uint32_t*, int64_t, int64_t) {});
  fill(s, w, w.n - 16, 16);
}

double unit(const uint32_t* w) {
  return static_cast<double>((static_cast<uint64_t>(w[0]) << 32 | w[1]) & ((uint64_t{1} << 53) - 1)) * 0x1p-53;
}

// Pairs of normals in double; of an odd number the second of the last pair is kept for the next call.
void normal_pairs(gems_random_state& s, const Work& w, bool exponential) {
  const auto one = [&](int64_t at, double z) {
    z = z * w.par[1].d + w.par[0].d;
    if (exponential) z = std::exp(z);
    if (w.convert) w.convert(&z, w.out + at * w.size, 1);
    else std::memcpy(w.out + at * w.size, &z, sizeof z);
  };
  int64_t at = 0;
  if (s.has_half) {
    one(at++, s.half);
    s.has_half = 0;
  }
  const int64_t even = (w.n - at) / 2 * 2;
  fill(s, w, at, even);
  at += even;
  if (at == w.n) return;
  with_words(s, 4, [&](const uint32_t* words, int64_t, int64_t) {
    const double angle = 6.28318530717958647692 * unit(words), radius = std::sqrt(-2 * std::log1p(-unit(words + 2)));
    one(at, radius * std::cos(angle));
    s.half = radius * std::sin(angle);
    s.has_half = 1;
  });
}

}  // namespace

gems_status run_random(const gems_call* call) {
  const gems_tensor& out = call->t[0];
  auto& s = *static_cast<gems_random_state*>(call->t[1].data);
  if (!dtype_is_served(out.dtype)) return unsupported("dtype");
  if (out.numel == 0) return GEMS_OK;
  const gems_cpu_cells* cells = cells_of(call->op);
  gems_scalar par[4] = {};
  for (int i = 0; i < call->npar; i++) par[i] = call->par[i];
  Work w{};
  w.par = par;
  w.out = static_cast<char*>(out.data);
  w.n = out.numel;
  w.size = dtype_size(out.dtype);
  const auto take = [&](int compute, int cell, int kind, int words) {
    w.fn = reinterpret_cast<gems_random_fn>(cells->fn[cell][kind]);
    w.words = words;
    w.convert = convert_fn(compute, out.dtype);
    return w.fn != nullptr;
  };
  if (call->compute == GEMS_I64) {  // par: range, base, does it take 64 bits?
    const bool wide = par[2].i != 0;
    if (!take(GEMS_I64, wide ? GEMS_CELL_I64 : GEMS_CELL_I32, GEMS_RANDOM_BITS, wide ? 2 : 1))
      return unsupported("no such distribution");
    fill(s, w, 0, w.n);
    return GEMS_OK;
  }
  const bool dbl = out.dtype == GEMS_F64;
  if ((out.flags & GEMS_T_CONTIGUOUS) && w.n >= 16 &&
      take(dbl ? GEMS_F64 : GEMS_F32, dbl ? GEMS_CELL_F64 : GEMS_CELL_F32, GEMS_RANDOM_NORMAL, dbl ? 2 : 1)) {
    normal_blocks(s, w);
    return GEMS_OK;
  }
  if (take(GEMS_F64, GEMS_CELL_F64, GEMS_RANDOM_PAIRS, 2)) {
    normal_pairs(s, w, std::strcmp(call->op->name, "log_normal") == 0);
    return GEMS_OK;
  }
  if (!(!dbl && take(GEMS_F32, GEMS_CELL_F32, GEMS_RANDOM_UNIFORM, 1)) && !take(GEMS_F64, GEMS_CELL_F64, GEMS_RANDOM_UNIFORM, 2))
    return unsupported("no such distribution");
  if (w.size == 2 && w.words == 1) {  // uniform_: what rounds to the upper bound becomes the lower one
    const float bounds[2] = {static_cast<float>(par[0].d), static_cast<float>(par[1].d)};
    uint16_t bits[2];
    w.convert(bounds, bits, 2);
    w.half_open = true;
    w.from = bits[0];
    w.to = bits[1];
  }
  fill(s, w, 0, w.n);
  return GEMS_OK;
}

}  // namespace gems::cpu
