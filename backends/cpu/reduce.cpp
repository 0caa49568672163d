// Reductions: a tile of kept elements by a chunk of reduced ones at a time. How a call is cut depends on its shape only, never on the
// number of threads, and partial results are combined as a tree in a fixed order: the same result on any machine of an instruction set.
#include <atomic>

#include "backends/cpu/block.h"

namespace gems::cpu {

namespace {

struct Plan {
  const gems_iter* it;
  gems_reduce_leaf leaf;
  gems_reduce_combine combine;
  gems_reduce_finish finish;            // null: with an index
  int nin, nout, nk;                    // nk: kept dims
  int slots, width[GEMS_MAX_OPERANDS];  // bytes of an accumulator of each slot
  int bytes;                            // of the compute type
  Matrix in[GEMS_MAX_OPERANDS], out[GEMS_MAX_OPERANDS];
  int slot_of[GEMS_MAX_OPERANDS];  // of output o; -1: ABSENT
  bool outer;                      // the kept dimension is the fast one: columns are folded
  const gems_scalar* par;
  bool truth;       // any, all: a decided result ends the walk
  int64_t K, R, N;  // fast kept dimension, fast reduced dimension, all reduced elements
  int64_t tile, block, ktiles, tiles, chunk, chunks;

  int64_t row_length() const { return outer ? K : R; }  // of what is loaded at most
  int64_t leaf_elements() const { return tile * std::min(block, R); }
  size_t level_bytes() const {
    size_t b = 0;
    for (int s = 0; s < slots; s++) b += tile * width[s];
    return (b + 63) & ~size_t{63};
  }
};

// Accumulators of one tile, slot after slot.
void slot_pointers(const Plan& p, char* base, void** to) {
  for (int s = 0; s < p.slots; s++) {
    to[s] = base;
    base += p.tile * p.width[s];
  }
}

// Partial results in order, combined like the digits of a binary counter: an error of log(n) roundings.
class Cascade {
 public:
  Cascade(const Plan& p, char* memory) : p_(p), memory_(memory), level_(p.level_bytes()) {}
  static int levels(int64_t leaves) { return 66 - __builtin_clzll(static_cast<uint64_t>(leaves) | 1); }

  void* const* next() {
    slot_pointers(p_, memory_ + depth_ * level_, top_);
    return top_;
  }
  void push(int64_t n) {
    depth_++;
    for (uint64_t c = ++count_; !(c & 1) && depth_ > 1; c >>= 1) merge(n);
  }
  void* const* result(int64_t n) {
    while (depth_ > 1) merge(n);
    depth_ = 0;
    return next();
  }

 private:
  void merge(int64_t n) {
    void *a[GEMS_MAX_OPERANDS], *b[GEMS_MAX_OPERANDS];
    slot_pointers(p_, memory_ + (depth_ - 2) * level_, a);
    slot_pointers(p_, memory_ + (depth_ - 1) * level_, b);
    p_.combine(a, b, n);
    depth_--;
  }
  const Plan& p_;
  char* memory_;
  size_t level_;
  int depth_ = 0;
  uint64_t count_ = 0;
  void* top_[GEMS_MAX_OPERANDS];
};

void finish_tile(const Plan& p, int64_t tile, void* const* acc, char* raw) {
  const int64_t k0 = tile % p.ktiles * p.tile, n = std::min(p.tile, p.K - k0);
  if (p.finish) p.finish(acc, n, static_cast<double>(p.N), p.par);
  for (int o = 0; o < p.nout; o++)
    if (p.slot_of[o] >= 0)
      store(p.out[o], offset_at(*p.it, o, 0, p.nk - 1, tile / p.ktiles) + k0 * p.out[o].col, 1, n, acc[p.slot_of[o]], raw);
}

// Folds the reduced positions [c0, c1) of one tile.
void* const* fold_tile(const Plan& p, int64_t tile, int64_t c0, int64_t c1, Cascade& cascade, char* buffers,
                       const char* undecided, const std::atomic<bool>* stop) {
  const gems_iter& it = *p.it;
  const int64_t k0 = tile % p.ktiles * p.tile, kn = std::min(p.tile, p.K - k0);
  int64_t start[GEMS_MAX_OPERANDS];
  for (int k = 0; k < p.nin; k++)
    start[k] = offset_at(it, p.nout + k, 0, p.nk - 1, tile / p.ktiles) + k0 * (p.outer ? p.in[k].col : p.in[k].row);
  const bool flat = it.nred == 1;
  int64_t at = c0;
  do {
    const int64_t r0 = flat ? at : at % p.R, len = std::min({p.block, p.R - r0, c1 - at});
    const void* in[GEMS_MAX_OPERANDS];
    ptrdiff_t step[GEMS_MAX_OPERANDS];
    char* to = buffers;
    for (int k = 0; k < p.nin; k++) {
      const int64_t offset = start[k] + r0 * (p.outer ? p.in[k].row : p.in[k].col) +
                             (flat ? 0 : offset_at(it, p.nout + k, p.nk, it.ndim - 1, at / p.R));
      char* raw = to + p.leaf_elements() * p.bytes;
      in[k] = p.outer ? load(p.in[k], offset, len, kn, p.bytes, to, raw, &step[k])
                      : load(p.in[k], offset, kn, len, p.bytes, to, raw, &step[k]);
      if (!p.in[k].direct(p.row_length())) to = raw + p.leaf_elements() * p.in[k].size;
    }
    void* const* acc = cascade.next();
    if (p.outer) p.leaf(in, step, len, kn, at, acc, p.par);
    else p.leaf(in, step, kn, len, at, acc, p.par);
    bool decided = p.truth && kn == 1 && *static_cast<char*>(acc[0]) != *undecided;
    cascade.push(kn);
    if (decided || (stop && stop->load(std::memory_order_relaxed))) break;
    at += len;
  } while (at < c1);
  return cascade.result(kn);
}

gems_status run(const Plan& p) {
  const int64_t leaves = p.chunk / std::max<int64_t>(std::min(p.block, p.R), 1) + p.chunk / std::max<int64_t>(p.R, 1) + 2;
  size_t buffers = 64;
  for (int k = 0; k < p.nin; k++)
    if (!p.in[k].direct(p.row_length())) buffers += p.leaf_elements() * (p.bytes + p.in[k].size);
  const size_t stack = Cascade::levels(leaves) * p.level_bytes(), raw = p.tile * 8;
  char undecided = 0;
  if (p.truth) {  // the identity: a fold of nothing
    void* acc[1] = {&undecided};
    const void* none[1] = {nullptr};
    const ptrdiff_t step[1] = {0};
    p.leaf(none, step, 1, 0, 0, acc, nullptr);
  }
  std::atomic<bool> stop{false};
  const bool stops = p.truth && p.tiles == 1 && p.K == 1;

  Scratch shared;  // chunk results, one level each
  char* partial = p.chunks > 1 ? shared.take(p.tiles * p.chunks * p.level_bytes()) : nullptr;
  parallel_items(p.tiles * p.chunks, p.tile * std::min(p.chunk, p.N) * p.in[0].size * p.nin, [&](int64_t begin, int64_t end) {
    Scratch scratch;
    char* memory = scratch.take(stack + raw + buffers);
    for (int64_t i = begin; i < end; i++) {
      const int64_t tile = i / p.chunks, c0 = i % p.chunks * p.chunk;
      Cascade cascade(p, memory + raw);
      void* const* acc =
          fold_tile(p, tile, c0, std::min(p.N, c0 + p.chunk), cascade, memory + raw + stack, &undecided, stops ? &stop : nullptr);
      if (stops && *static_cast<char*>(acc[0]) != undecided) stop.store(true, std::memory_order_relaxed);
      if (p.chunks == 1) finish_tile(p, tile, acc, memory);
      else std::memcpy(partial + i * p.level_bytes(), acc[0], p.level_bytes());
    }
  });
  if (p.chunks > 1) {
    Scratch scratch;
    char* memory = scratch.take(raw);
    for (int64_t tile = 0; tile < p.tiles; tile++) {
      const int64_t kn = std::min(p.tile, p.K - tile % p.ktiles * p.tile);
      auto level = [&](int64_t c, void** to) { slot_pointers(p, partial + (tile * p.chunks + c) * p.level_bytes(), to); };
      void *a[GEMS_MAX_OPERANDS], *b[GEMS_MAX_OPERANDS];
      for (int64_t d = 1; d < p.chunks; d *= 2)
        for (int64_t c = 0; c + d < p.chunks; c += 2 * d) {
          level(c, a);
          level(c + d, b);
          p.combine(a, b, kn);
        }
      level(0, a);
      finish_tile(p, tile, a, memory);
    }
  }
  return GEMS_OK;
}

}  // namespace

gems_status run_reduce(const gems_call* call) {
  const gems_cpu_cells* cells = cells_of(call->op);
  const gems_iter& it = call->it;
  Plan p;
  p.it = &it;
  p.truth = cells->fn[GEMS_CELL_BOOL][GEMS_REDUCE_INNER] != nullptr;
  const int compute = p.truth ? int{GEMS_BOOL} : call->compute;
  const gems_any_fn* fn = cells->fn[cell_type(compute)];
  if (!fn[GEMS_REDUCE_INNER]) return unsupported("compute type not declared");
  p.combine = reinterpret_cast<gems_reduce_combine>(fn[GEMS_REDUCE_COMBINE]);
  p.finish = reinterpret_cast<gems_reduce_finish>(fn[GEMS_REDUCE_FINISH]);
  p.bytes = compute_size(compute);
  p.nin = call->nin;
  p.nout = call->nout;
  p.nk = it.ndim - it.nred;
  const bool with_index = !p.finish;
  p.par = call->par;
  const bool passes = call->op->slots != 0;
  const int state = passes && compute == GEMS_F32 ? int{GEMS_F64} : compute;  // the type of the accumulators
  p.slots = passes ? call->op->slots : with_index ? 2 : p.nout;
  for (int s = 0; s < p.slots; s++) p.width[s] = with_index && s == 1 ? 8 : compute_size(state);

  p.K = p.nk ? it.size[p.nk - 1] : 1;
  p.R = it.size[it.ndim - 1];
  p.N = product(it.size, p.nk, it.ndim);
  const int64_t kept = product(it.size, 0, p.nk);
  if (kept == 0) return GEMS_OK;
  if (p.N == 0 && with_index) return failed("reduction of no elements has no result");
  auto kept_stride = [&](int k) { return p.nk ? it.stride[k][p.nk - 1] : 0; };
  auto reduced_stride = [&](int k) { return it.stride[k][it.ndim - 1]; };
  const int64_t sk = kept_stride(p.nout), sr = reduced_stride(p.nout);
  p.outer = p.K > 1 && (p.R == 1 || (sr != 1 && sk != 0 && (sk < sr || sr == 0)));

  const bool halves = call->t[p.nout].dtype == GEMS_BF16 && fn[GEMS_REDUCE_INNER_BF16] && !p.outer && sr == 1;
  bool direct = true;
  for (int k = 0; k < p.nin; k++) {
    const gems_tensor& t = call->t[p.nout + k];
    if (!dtype_is_served(t.dtype) || (t.flags & (GEMS_T_ABSENT | GEMS_T_SCALAR))) return unsupported("operand of a reduction");
    const int64_t a = kept_stride(p.nout + k), b = reduced_stride(p.nout + k);
    p.in[k] = {static_cast<char*>(t.data), p.outer ? b : a, p.outer ? a : b, dtype_size(t.dtype), convert_fn(t.dtype, compute)};
    if (halves) p.in[k].convert = nullptr;
    direct = direct && p.in[k].direct(p.row_length());
  }
  for (int o = 0; o < p.nout; o++) {
    const gems_tensor& t = call->t[o];
    p.slot_of[o] = t.flags & GEMS_T_ABSENT ? -1 : with_index && p.nout == 1 ? 1 : o;
    if (p.slot_of[o] < 0) continue;
    if (!dtype_is_served(t.dtype)) return unsupported("dtype of the result");
    p.out[o] = {static_cast<char*>(t.data), 0, kept_stride(o), dtype_size(t.dtype),
                convert_fn(with_index && p.slot_of[o] == 1 ? int{GEMS_I64} : state, t.dtype)};
  }

  // What doesn't lie in the compute type goes through blocks that fit the first-level cache (32 KiB of float).
  if (p.outer) {
    p.tile = std::min<int64_t>(p.K, direct ? GEMS_REDUCE_TILE : GEMS_REDUCE_TILE / 2);
    p.block = std::clamp<int64_t>(scaled(passes ? 32768 : direct ? 65536 : 8192) / p.tile, 8, with_index ? 65536 : 128);
    p.leaf = reinterpret_cast<gems_reduce_leaf>(fn[GEMS_REDUCE_OUTER]);
  } else {
    p.block = !direct ? scaled(4096) : p.truth ? 65536 : int64_t{1} << 20;
    p.tile =
        std::clamp<int64_t>(8192 / std::max<int64_t>(std::min(p.R, p.block), 1), 1, std::min<int64_t>(p.K, GEMS_REDUCE_TILE));
    p.leaf = reinterpret_cast<gems_reduce_leaf>(fn[halves ? GEMS_REDUCE_INNER_BF16 : GEMS_REDUCE_INNER]);
  }
  p.ktiles = (p.K + p.tile - 1) / p.tile;
  p.tiles = kept / p.K * p.ktiles;
  // Few results from much input: chunks of at least 64 Ki elements, up to 64 of them for all results together.
  const int64_t want = p.tiles < 32 ? std::min<int64_t>((64 + p.tiles - 1) / p.tiles, p.N * p.tile / 65536) : 1;
  const int64_t unit = p.outer ? p.block : 4096;
  p.chunk = want > 1 ? ((p.N + want - 1) / want + unit - 1) / unit * unit : std::max<int64_t>(p.N, 1);
  p.chunks = std::max<int64_t>((p.N + p.chunk - 1) / p.chunk, 1);
  return run(p);
}

}  // namespace gems::cpu
