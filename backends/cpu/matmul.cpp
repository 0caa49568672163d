// mm, addmm, bmm, baddbmm, mv: reads the call, picks a kernel, shares the work between the threads.
#include "backends/cpu/matmul.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <utility>

#define GEMS_DECLARE_TABLE(isa) extern "C" const gems_matmul_table gems_matmul_##isa;
GEMS_FOR_EACH_ISA(GEMS_DECLARE_TABLE)

namespace gems::cpu {
namespace {

const gems_matmul_table& table() {
#define GEMS_TABLE_ADDRESS(isa) &gems_matmul_##isa,
  static const gems_matmul_table* const tables[] = {GEMS_FOR_EACH_ISA(GEMS_TABLE_ADDRESS)};
  return *tables[isa()];
}

enum class Mode { automatic, own, native };
Mode mode() {
  static const Mode m = [] {
    const char* s = host->setting("GEMS_MATMUL");
    if (s && !std::strcmp(s, "own")) return Mode::own;
    if (s && !std::strcmp(s, "native")) return Mode::native;
    return Mode::automatic;
  }();
  return m;
}

// Scratch memory of a thread, kept between calls: at most what a block of `tile` needs (about 1 MiB); larger requests are
// given back at the end of the call.
class Scratch {
 public:
  void* get(size_t bytes) {
    if (bytes > size_) {
      memory_.reset(std::aligned_alloc(64, (bytes + 4095) / 4096 * 4096));
      size_ = memory_ ? bytes : 0;
    }
    return memory_.get();
  }
  void trim() {
    if (size_ > kKeep) memory_.reset(), size_ = 0;
  }

 private:
  static constexpr size_t kKeep = size_t{2} << 20;
  struct Free {
    void operator()(void* p) const { std::free(p); }
  };
  std::unique_ptr<void, Free> memory_;
  size_t size_ = 0;
};
thread_local Scratch rows_scratch;   // widened rows of a, used by the calling thread and its helpers
thread_local Scratch block_scratch;  // packed blocks, used by one thread

int64_t usable_threads() { return std::min<int64_t>(host->num_threads(), most_threads()); }

// Runs f(0) ... f(tasks - 1), each on whichever thread is free: on a shared machine equal shares would wait for the slower core.
template <class F> void share(int64_t tasks, bool serial, F&& f) {
  int64_t threads = serial || tasks < 2 ? 1 : usable_threads();
  if (threads <= 1) {
    for (int64_t i = 0; i < tasks; i++) f(i);
    return;
  }
  struct Context {
    std::atomic<int64_t> next;
    int64_t tasks;
    F* f;
  } c{{0}, tasks, &f};
  host->parallel_for(
      threads < tasks ? threads : tasks, 1,
      [](void* context, int64_t, int64_t) {
        auto* c = static_cast<Context*>(context);
        for (int64_t i; (i = c->next.fetch_add(1, std::memory_order_relaxed)) < c->tasks;) (*c->f)(i);
      },
      &c);
}

gems_mm product(const MatmulBatch& s, int64_t i, int64_t size) {
  gems_mm p = s.p;
  p.a = static_cast<const char*>(p.a) + i * s.a * size;
  p.b = static_cast<const char*>(p.b) + i * s.b * size;
  if (p.self) p.self = static_cast<const char*>(p.self) + i * s.self * size;
  p.out = static_cast<char*>(p.out) + i * s.out * size;
  return p;
}

int64_t ceil_div(int64_t x, int64_t y) { return (x + y - 1) / y; }

// The block size at most `block` that cuts `size` into equal blocks of whole units.
int64_t even_blocks(int64_t size, int64_t block, int64_t unit) {
  return ceil_div(ceil_div(size, ceil_div(size, block)), unit) * unit;
}

// Nanoseconds on one core, roughly: 15 GB/s of streaming, 40 multiply-adds in a nanosecond. Decides only how finely the work is
// cut and whether waking the other threads (2 to 5 us) pays.
constexpr double kSerialNs = 6000, kTaskNs = 4000;
double estimate_ns(const MatmulBatch& s, int size) {
  double b = double(s.p.n) * double(s.p.k) * size / 15, work = double(s.p.m) * double(s.p.n) * double(s.p.k) / 40;
  return double(s.count) * (b > work ? b : work);
}

gems_status run_thin(const MatmulBatch& s, const gems_mm_kernels& kernels, MatmulPath path) {
  const gems_mm& p = s.p;
  const bool widen = kernels.widens || (path == MatmulPath::dot && p.a_cs != 1);
  const size_t x_bytes = static_cast<size_t>(p.m * p.k) * kernels.compute_size;
  const double ns = estimate_ns(s, kernels.size);
  const bool serial = ns < kSerialNs;
  // Pieces of columns: whole register tiles, contiguous runs of b of a page or so.
  const int64_t unit = path == MatmulPath::dot ? 16 : 4 * kernels.lanes;
  int64_t columns = p.n;
  if (!serial) {
    int64_t pieces = static_cast<int64_t>(ns / double(s.count) / kTaskNs) + 1;
    columns = ceil_div(ceil_div(p.n, unit), pieces) * unit;
  }
  const int64_t pieces = ceil_div(p.n, columns);
  const void* shared = nullptr;
  if (widen && s.count == 1) {
    void* x = rows_scratch.get(x_bytes);
    if (!x) return failed("matmul: out of memory");
    kernels.widen(&p, 0, p.m, x);
    shared = x;
  }
  std::atomic<bool> no_memory{false};
  share(s.count * pieces, serial, [&](int64_t task) {
    const gems_mm one = product(s, task / pieces, kernels.size);
    const int64_t n0 = task % pieces * columns, n1 = n0 + columns < p.n ? n0 + columns : p.n;
    const void* x = one.a;
    int64_t rs = one.a_rs, cs = one.a_cs;
    if (widen) {
      rs = p.k, cs = 1;
      x = shared;
      if (!x) {
        void* own = block_scratch.get(x_bytes);
        if (!own) return no_memory.store(true);
        kernels.widen(&one, 0, p.m, own);
        x = own;
      }
    }
    if (path == MatmulPath::dot) kernels.dot(&one, x, rs, n0, n1);
    else kernels.outer(&one, x, rs, cs, n0, n1);
  });
  rows_scratch.trim();
  return no_memory ? failed("matmul: out of memory") : GEMS_OK;
}

// The knob tile: 1 to 5: register tiles of a block, to begin with; 6: the other of thin kernel and packed blocks.
constexpr int kOtherPath = 6;
constexpr struct { int rows, columns; } kBlocks[] = {{24, 16}, {12, 8}, {12, 16}, {24, 8}, {48, 16}, {24, 32}, {24, 16}};

struct Blocks {
  int64_t rows, columns;
};
// 288 x 512 float32 sums with AVX-512: the packed rows of a (256 deep, 288 KiB) stay in the second cache, b and the sums pass
// through the third. 192 x 256 cost 5 % more in packing.
Blocks blocks_of(const MatmulBatch& s, const gems_mm_kernels& kernels, bool serial, int tile) {
  const gems_mm& p = s.p;
  int64_t rows = kBlocks[tile].rows * kernels.tile_m, columns = kBlocks[tile].columns * kernels.tile_n;
  const int64_t wanted = serial ? 1 : 2 * usable_threads();
  for (;;) {
    const int64_t down = ceil_div(p.m, rows), across = ceil_div(p.n, columns);
    const bool can_rows = rows > kernels.tile_m, can_columns = columns > kernels.tile_n;
    if (down * across * s.count >= wanted || !(can_rows || can_columns)) break;
    // Every block of rows packs b, every block of columns packs a: cut where that adds less.
    const double more_rows = double(p.n) * double(2 * down) + double(p.m) * double(across);
    const double more_columns = double(p.n) * double(down) + double(p.m) * double(2 * across);
    if (can_columns && (!can_rows || more_columns <= more_rows)) columns /= 2;
    else rows = ceil_div(rows / kernels.tile_m, 2) * kernels.tile_m;
  }
  return {even_blocks(p.m, rows, kernels.tile_m), even_blocks(p.n, columns, kernels.tile_n)};
}

gems_status run_tiles(const MatmulBatch& s, const gems_mm_kernels& kernels) {
  const gems_mm& p = s.p;
  const bool serial = estimate_ns(s, kernels.size) < kSerialNs;
  const Blocks b = blocks_of(s, kernels, serial, t_knobs.tile);
  const int64_t height = b.rows, width = b.columns, across = ceil_div(p.n, width), per = ceil_div(p.m, height) * across;
  std::atomic<bool> no_memory{false};
  share(per * s.count, serial, [&](int64_t task) {
    const gems_mm one = product(s, task / per, kernels.size);
    const int64_t m0 = task % per / across * height, n0 = task % across * width;
    const int64_t m1 = m0 + height < p.m ? m0 + height : p.m, n1 = n0 + width < p.n ? n0 + width : p.n;
    void* scratch = block_scratch.get(static_cast<size_t>(kernels.tile_scratch(m1 - m0, n1 - n0, p.k)));
    if (!scratch) return no_memory.store(true);
    kernels.tile(&one, m0, m1, n0, n1, scratch);
  });
  return no_memory ? failed("matmul: out of memory") : GEMS_OK;
}

}  // namespace

gems_status run_matmul(const gems_call* call) {
  const int type = matmul_type(call->t[0].dtype);
  if (type < 0) return unsupported("matmul: this dtype isn't served");
  MatmulBatch s;
  if (const char* why = matmul_geometry(call, s)) return unsupported(why);
  if (s.count == 0 || s.p.m == 0 || s.p.n == 0) return GEMS_OK;
  const gems_mm_kernels& kernels = table().type[type];
  if (s.p.k == 0) {
    for (int64_t i = 0; i < s.count; i++) {
      const gems_mm one = product(s, i, kernels.size);
      kernels.fill(&one, 0, one.m);
    }
    return GEMS_OK;
  }
  const Mode m = mode();
  if (m == Mode::native) return unsupported("matmul: GEMS_MATMUL=native");
  MatmulPath path = matmul_path(s, type, kernels);
  if (m == Mode::automatic && !gems_own(call->candidate) && matmul_native_wins(s, type, path, kernels))
    return unsupported("matmul: native is faster for this size");
  if (t_knobs.tile == kOtherPath) {
    const MatmulPath other = other_path(s, kernels, path);
    if (other == path) return unsupported("matmul: no thin kernel for this call");
    path = other;
  } else if (t_knobs.tile && path != MatmulPath::tile) {
    return unsupported("matmul: the thin kernels have no blocks");
  }
  return path == MatmulPath::tile ? run_tiles(s, kernels) : run_thin(s, kernels, path);
}

int matmul_variants(const gems_call* call, int16_t* candidates) {
  const int type = matmul_type(call->t[0].dtype);
  MatmulBatch s;
  if (type < 0 || matmul_geometry(call, s) || s.count == 0 || s.p.m == 0 || s.p.n == 0 || s.p.k == 0) return 0;
  const gems_mm_kernels& kernels = table().type[type];
  const MatmulPath path = matmul_path(s, type, kernels);
  int n = 0;
  if (path == MatmulPath::tile) {
    const bool serial = estimate_ns(s, kernels.size) < kSerialNs;
    Blocks seen[kOtherPath];
    for (int tile = 0; tile < kOtherPath; tile++) {
      const Blocks b = seen[tile] = blocks_of(s, kernels, serial, tile);
      if (std::none_of(seen, seen + tile, [&](Blocks x) { return x.rows == b.rows && x.columns == b.columns; }) && tile)
        candidates[n++] = gems_variant({static_cast<uint8_t>(tile), 0, 0, 0});
    }
  }
  if (other_path(s, kernels, path) != path) candidates[n++] = gems_variant({kOtherPath, 0, 0, 0});
  return n;
}

}  // namespace gems::cpu
