// Pointwise driver: walks the iteration space in blocks, converts and gathers what isn't dense in the compute type, and runs the
// operator's block function. Compiled once for the baseline; the arithmetic and the conversions are per instruction set.
#include <algorithm>
#include <atomic>
#include <cstring>

#include "backends/cpu/block.h"

namespace gems::cpu {
namespace {

constexpr int64_t kBlock = 1024;     // elements: three 8-byte operands stay within a 32 KiB L1
constexpr int64_t kGrain = 32768;    // elements a thread gets at least: as at::internal::GRAIN_SIZE
constexpr int64_t kRowTile = 32;     // rows walked inside a column block, so that transposed operands reuse their cache lines
constexpr int64_t kShortInner = 64;  // inner dimensions below this are gathered several rows at a time
constexpr int64_t kSpan = 16384;     // elements of a row walked at once: what all rows share stays converted, 64 KiB of float
constexpr int64_t kTile = 128;       // columns of a block with a transposed operand
constexpr int64_t kTilePad = 64;     // bytes between the rows of a transposed tile: no powers of two
constexpr int kMaxIn = 4;
// Results larger than the last level of cache are stored past it: their lines would be read from memory only to be overwritten. Blocks of
// 1024 float, each read, then written, starve the prefetcher (add of 16M float: 5.4 ms; at once 3.3; blocks of 256 past the cache 2.9, with
// the next ones' lines asked for ahead 2.7; two cores of a Zen 4, huge pages).
constexpr int64_t kStreamBytes = 512;

// repeat: one element for all of a row. Tiles turn a transposed operand into a direct one.
enum class Mode : uint8_t { direct, convert, filled, gather, repeat };

struct Operand {
  char* base;
  gems_convert_fn convert;  // between memory and block type
  gems_convert_fn via;      // from memory to the common dtype first, GEMS_T_VIA
  int64_t inner, row;       // strides in bytes
  const int64_t* outer;     // strides in elements of the dims before row and inner
  int size;                 // bytes of an element in memory
  Mode mode;
  bool transposed;  // dense from row to row: gathered by tiles
};

struct Walk {
  const gems_call* call;
  gems_pointwise_block block;  // nullptr: identity (copy), operand 0 converts straight to the output
  Operand out, in[kMaxIn];
  int nin;
  int result;      // block's result dtype
  int block_type;  // dtype of its inputs
  int64_t inner, rows, outer;
  int outer_dims;
  int width;     // bytes of an element in blocks
  int64_t most;  // elements of a block of a dense walk
  bool streams;  // the result goes past the cache
};

// How an operand's elements of `size` bytes reach a dense buffer.
template <class T> void gather_as(const char* src, int64_t inner, int64_t row, char* dst, int64_t n, int64_t rows) {
  T* d = reinterpret_cast<T*>(dst);
  for (int64_t r = 0; r < rows; r++, src += row)
    for (int64_t i = 0; i < n; i++) *d++ = *reinterpret_cast<const T*>(src + i * inner);
}
void gather(const Operand& o, const char* src, char* dst, int64_t n, int64_t rows) {
  switch (o.size) {
    case 1: return gather_as<uint8_t>(src, o.inner, o.row, dst, n, rows);
    case 2: return gather_as<uint16_t>(src, o.inner, o.row, dst, n, rows);
    case 4: return gather_as<uint32_t>(src, o.inner, o.row, dst, n, rows);
    default: return gather_as<uint64_t>(src, o.inner, o.row, dst, n, rows);
  }
}
template <class T> void scatter_as(const char* src, char* dst, int64_t inner, int64_t row, int64_t n, int64_t rows) {
  const T* s = reinterpret_cast<const T*>(src);
  for (int64_t r = 0; r < rows; r++, dst += row)
    for (int64_t i = 0; i < n; i++) *reinterpret_cast<T*>(dst + i * inner) = *s++;
}
void scatter(const Operand& o, const char* src, char* dst, int64_t n, int64_t rows) {
  switch (o.size) {
    case 1: return scatter_as<uint8_t>(src, dst, o.inner, o.row, n, rows);
    case 2: return scatter_as<uint16_t>(src, dst, o.inner, o.row, n, rows);
    case 4: return scatter_as<uint32_t>(src, dst, o.inner, o.row, n, rows);
    default: return scatter_as<uint64_t>(src, dst, o.inner, o.row, n, rows);
  }
}

uint32_t bits_of(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}
bool holds_in_bf16(double v) { return (bits_of(static_cast<float>(v)) & 0xffff) == 0; }

template <class T> void fill(void* dst, T v, int64_t n) { std::fill_n(static_cast<T*>(dst), n, v); }
void fill_scalar(void* dst, gems_scalar v, int compute, int64_t n) {
  switch (compute) {
    case GEMS_F32: return fill(dst, static_cast<float>(v.d), n);
    case GEMS_F64: return fill(dst, v.d, n);
    case GEMS_I64: return fill(dst, v.i, n);
    case GEMS_I32: return fill(dst, static_cast<int32_t>(v.i), n);
    case GEMS_BF16: return fill(dst, static_cast<uint16_t>(bits_of(static_cast<float>(v.d)) >> 16), n);  // holds_in_bf16
    default: return fill(dst, v.i != 0, n);
  }
}

struct Buffers {
  alignas(64) char in[kMaxIn][kBlock * 8];
  alignas(64) char raw[kBlock * 8];   // gathered, before conversion
  alignas(64) char out[kBlock * 8];   // block result; before it, inputs in the common dtype
  const char* repeated[kMaxIn] = {};  // whose element fills in[k]
};

void convert(const Operand& o, const char* src, Buffers& b, char* dst, int64_t n) {
  if (o.via) {
    o.via(src, b.out, static_cast<size_t>(n));
    src = b.out;
  }
  o.convert(src, dst, static_cast<size_t>(n));
}

// One block: n x rows elements starting at the given addresses (rows > 1 only for gathered blocks). Null or an error.
const char* step(const Walk& w, Buffers& b, const char* const* src, char* dst, int64_t n, int64_t rows) {
  const int64_t m = n * rows;
  const void* in[kMaxIn];
  const auto repeat = [&](const Operand& o, const char* from, char* to) {
    uint64_t value[8] = {}, element[8];
    for (int i = 0; i < 8; i++) std::memcpy(reinterpret_cast<char*>(value) + i * o.size, from, o.size);
    if (o.convert) convert(o, reinterpret_cast<const char*>(value), b, reinterpret_cast<char*>(element), 8);
    moves().fill(o.convert ? element[0] : value[0], to, kBlock * w.width, 0);
  };
  for (int k = 0; k < w.nin; k++) {
    const Operand& o = w.in[k];
    switch (o.mode) {
      case Mode::filled: in[k] = b.in[k]; break;
      case Mode::direct: in[k] = src[k]; break;
      case Mode::convert:
        convert(o, src[k], b, b.in[k], m);
        in[k] = b.in[k];
        break;
      case Mode::repeat:
        if (b.repeated[k] != src[k]) repeat(o, src[k], b.in[k]);
        b.repeated[k] = src[k];
        in[k] = b.in[k];
        break;
      case Mode::gather:
        if (o.convert) {
          gather(o, src[k], b.raw, n, rows);
          convert(o, b.raw, b, b.in[k], m);
        } else {
          gather(o, src[k], b.in[k], n, rows);
        }
        in[k] = b.in[k];
        break;
    }
  }
  const bool straight = w.out.mode == Mode::direct && !w.out.convert;
  const void* result = in[0];
  if (w.block) {
    void* to = straight && !w.streams ? dst : b.out;
    if (const char* error = w.block(in, to, static_cast<size_t>(m), w.call->par)) return error;
    if (to == dst) return nullptr;
    result = to;
  }
  if (w.out.mode == Mode::direct) {
    const auto bytes = static_cast<size_t>(m * w.out.size);
    if (!w.streams) {
      if (!straight) w.out.convert(result, dst, static_cast<size_t>(m));
      else if (result != dst) moves().copy(result, dst, bytes);
      return nullptr;
    }
    if (!straight) {
      w.out.convert(result, b.raw, static_cast<size_t>(m));
      result = b.raw;
    }
    moves().stream(result, dst, bytes);
    return nullptr;
  }
  if (w.out.convert) {
    w.out.convert(result, b.raw, static_cast<size_t>(m));
    result = b.raw;
  }
  scatter(w.out, static_cast<const char*>(result), dst, n, rows);
  return nullptr;
}

// Prepares what doesn't change over the walk.
void prefill(const Walk& w, Buffers& b, int64_t n) {
  for (int k = 0; k < w.nin; k++)
    if (w.in[k].mode == Mode::filled) fill_scalar(b.in[k], w.call->t[1 + k].imm, w.block_type, std::min(n, kBlock));
}

const char* walk_dense(const Walk& w, int64_t begin, int64_t end) {
  Buffers b;
  prefill(w, b, end - begin);
  const char* src[kMaxIn];
  bool whole = !w.block || !w.out.convert;  // no blocks in between
  for (int k = 0; k < w.nin; k++) whole = whole && w.in[k].mode == Mode::direct;
  const int64_t chunk = !whole ? w.most : w.streams && (w.block || w.out.convert) ? kStreamBytes / w.out.size : end - begin;
  for (int64_t at = begin; at < end; at += chunk) {
    const int64_t n = std::min(chunk, end - at);
    for (int k = 0; k < w.nin; k++) src[k] = w.in[k].base + at * w.in[k].size;
    if (const char* error = step(w, b, src, w.out.base + at * w.out.size, n, 1)) return error;
  }
  if (w.streams) fence();
  return nullptr;
}

// A piece of a strided walk: a tile of rows of a block of columns.
struct Pieces {
  const Walk& w;
  int64_t columns, row_tile;  // of a piece
  int64_t blocks = (w.inner + columns - 1) / columns, tiles = (w.rows + row_tile - 1) / row_tile;

  int64_t count() const { return w.outer * blocks * tiles; }
};
struct Piece {
  int64_t i0, n, r0, r1;
  char* base[1 + kMaxIn];  // of the output and the inputs at row r0, column i0

  Piece(const Pieces& p, int64_t piece) {
    const Walk& w = p.w;
    const gems_iter& it = w.call->it;
    int64_t rest = piece / p.blocks / p.tiles, off[1 + kMaxIn] = {};
    for (int d = w.outer_dims - 1; d >= 0; d--) {
      const int64_t i = rest % it.size[d];
      rest /= it.size[d];
      for (int k = 0; k <= w.nin; k++) off[k] += i * it.stride[k][d];
    }
    i0 = piece % p.blocks * p.columns;
    n = std::min(p.columns, w.inner - i0);
    r0 = piece / p.blocks % p.tiles * p.row_tile;
    r1 = std::min(w.rows, r0 + p.row_tile);
    for (int k = 0; k <= w.nin; k++) {
      const Operand& o = k ? w.in[k - 1] : w.out;
      base[k] = o.base + off[k] * o.size + r0 * o.row + i0 * o.inner;
    }
  }
};

const char* walk_strided(const Pieces& p, int64_t begin, int64_t end) {
  const Walk& w = p.w;
  Buffers b;
  prefill(w, b, kBlock);
  const bool several = w.inner < kShortInner;  // whole tiles are gathered at once
  // Transposed operands become tiles, then they are like any dense one (add of a transposed 64 x 4096 float: 59 us by
  // elements, now 28).
  Walk dense = w;
  size_t bytes = 0;
  int64_t pitch[kMaxIn] = {};
  for (int k = 0; k < w.nin; k++) {
    if (!w.in[k].transposed) continue;
    pitch[k] = p.columns * w.in[k].size + kTilePad;
    dense.in[k].mode = w.in[k].convert ? Mode::convert : Mode::direct;
    bytes += p.row_tile * pitch[k];
  }
  Scratch scratch;
  char* memory = bytes ? scratch.take(bytes) : nullptr;
  for (int64_t piece = begin; piece < end; piece++) {
    const Piece q(p, piece);
    const char *src[kMaxIn], *from[kMaxIn];
    int64_t row[kMaxIn];
    char* to = memory;
    for (int k = 0; k < w.nin; k++) {
      const Operand& o = w.in[k];
      from[k] = q.base[1 + k];
      row[k] = o.row;
      if (!o.transposed) continue;
      transpose_fn(o.size, false)(from[k], o.inner / o.size, to, pitch[k] / o.size, q.r1 - q.r0, q.n);
      from[k] = to;
      row[k] = pitch[k];
      to += p.row_tile * pitch[k];
    }
    if (several) {
      if (const char* error = step(w, b, from, q.base[0], q.n, q.r1 - q.r0)) return error;
      continue;
    }
    for (int64_t r = 0; r < q.r1 - q.r0; r++) {
      for (int k = 0; k < w.nin; k++) src[k] = from[k] + r * row[k];
      if (const char* error = step(dense, b, src, q.base[0] + r * w.out.row, q.n, 1)) return error;
    }
  }
  return nullptr;
}

// Every operand is dense along rows or the same all along them: whole rows, in the order of memory. What all rows share is converted
// once (add of a row, 4096 x 4096 bfloat16: 5.9 ms (median) in tiles that convert it again, now 2.3 (minimum, busy machine)
// on two cores of a Zen 5).
const char* walk_rows(const Pieces& p, int64_t begin, int64_t end) {
  Walk w = p.w;
  Buffers b;
  prefill(w, b, kBlock);
  bool whole = !w.block || !w.out.convert;  // no blocks in between
  bool held[kMaxIn];
  int shared = 0;
  for (int k = 0; k < w.nin; k++) {
    Operand& o = w.in[k];
    held[k] = o.mode == Mode::convert && o.row == 0;
    if (held[k]) {
      shared++;
      o.mode = Mode::direct;
      o.inner = w.width;
    }
    whole = whole && o.mode == Mode::direct;
  }
  Scratch scratch;
  char* const memory = shared ? scratch.take(shared * p.columns * w.width) : nullptr;
  const char* held_of[kMaxIn] = {};
  const int64_t chunk = whole ? p.columns : kBlock;
  for (int64_t piece = begin; piece < end; piece++) {
    Piece q(p, piece);
    char* to = memory;
    for (int k = 0; k < w.nin; k++) {
      if (!held[k]) continue;
      for (int64_t i = 0; q.base[1 + k] != held_of[k] && i < q.n; i += kBlock)
        convert(w.in[k], q.base[1 + k] + i * w.in[k].size, b, to + i * w.width, std::min(kBlock, q.n - i));
      held_of[k] = q.base[1 + k];
      q.base[1 + k] = to;
      to += p.columns * w.width;
    }
    if (whole && !w.out.convert &&
        !w.streams) {  // short rows: nothing but the work (permute(0, 2, 1, 3) of 64 x 4096: 24 us, 20 since)
      const void* src[kMaxIn];
      for (int k = 0; k < w.nin; k++) src[k] = q.base[1 + k];
      char* dst = q.base[0];
      const auto n = static_cast<size_t>(q.n);
      for (int64_t r = q.r0; r < q.r1; r++) {
        if (!w.block) std::memcpy(dst, src[0], n * static_cast<size_t>(w.out.size));
        else if (const char* error = w.block(src, dst, n, w.call->par)) return error;
        for (int k = 0; k < w.nin; k++) src[k] = static_cast<const char*>(src[k]) + w.in[k].row;
        dst += w.out.row;
      }
      continue;
    }
    for (int64_t r = 0; r < q.r1 - q.r0; r++)
      for (int64_t i = 0; i < q.n; i += chunk) {
        const char* src[kMaxIn];
        for (int k = 0; k < w.nin; k++) src[k] = q.base[1 + k] + r * w.in[k].row + i * w.in[k].inner;
        char* dst = q.base[0] + r * w.out.row + i * w.out.inner;
        if (const char* error = step(w, b, src, dst, std::min(chunk, q.n - i), 1)) return error;
      }
  }
  return nullptr;
}

}  // namespace

static gems_status status_of(const char* error) { return error ? failed(error) : GEMS_OK; }

// Can the call be made of bfloat16 as it lies in memory?
static bool in_bf16(const gems_call* call) {
  if (call->compute != GEMS_F32 || !cells_of(call->op)->fn[GEMS_CELL_F32][1]) return false;
  const bool boolean = static_cast<rule>(call->op->rule) == rule::boolean;
  if (call->t[0].dtype != (boolean ? int{GEMS_BOOL} : int{GEMS_BF16})) return false;
  bool any = false;
  for (int k = 0; k < call->nin; k++) {
    const gems_tensor& t = call->t[1 + k];
    if (t.flags & GEMS_T_VIA) return false;
    if (t.flags & GEMS_T_SCALAR ? !holds_in_bf16(t.imm.d) : t.dtype != GEMS_BF16) return false;
    any = any || !(t.flags & GEMS_T_SCALAR);
  }
  return any;
}

// Dense operands in the compute type, too few for several threads: one call of the block function, nothing to prepare.
static bool run_at_once(const gems_call* call, gems_status& status) {
  const gems_iter& it = call->it;
  if (!it.contiguous || it.numel > kGrain) return false;
  const int compute = call->compute;
  const int result = static_cast<rule>(call->op->rule) == rule::boolean ? int{GEMS_BOOL} : compute;
  const bool halves = call->t[1].dtype == GEMS_BF16 && in_bf16(call);
  if (!halves && call->t[0].dtype != result) return false;
  const void* in[kMaxIn];
  for (int k = 0; k < call->nin; k++) {
    const gems_tensor& t = call->t[1 + k];
    if ((!halves && t.dtype != compute) || (t.flags & (GEMS_T_SCALAR | GEMS_T_VIA))) return false;
    in[k] = t.data;
  }
  const auto block = reinterpret_cast<gems_pointwise_block>(cells_of(call->op)->fn[cell_type(compute)][halves]);
  if (!block) return false;
  status = status_of(block(in, call->t[0].data, static_cast<size_t>(it.numel), call->par));
  return true;
}

// A number into dense memory: converted once.
static bool fill_dense(const gems_call* call, int compute) {
  const gems_tensor& to = call->t[0];
  const gems_convert_fn convert = to.dtype == compute ? nullptr : convert_fn(compute, to.dtype);
  if (to.dtype != compute && !convert) return false;
  const int64_t n = call->it.numel, size = dtype_size(to.dtype);
  uint64_t value[8], pattern[8];  // eight elements: one of eight bytes up to eight of one
  fill_scalar(value, call->t[1].imm, compute, 8);
  if (convert) convert(value, pattern, 8);
  else std::memcpy(pattern, value, sizeof pattern);
  const bool past = n * size > last_cache();
  const auto some = [&](int64_t begin, int64_t end) {
    moves().fill(pattern[0], static_cast<char*>(to.data) + begin * size, static_cast<size_t>((end - begin) * size), past);
    if (past) fence();
  };
  if (n <= kGrain) some(0, n);
  else parallel(n, kGrain, some);
  return true;
}

gems_status run_pointwise(const gems_call* call) {
  const gems_iter& it = call->it;
  if (it.numel == 0) return GEMS_OK;
  if (call->nin > kMaxIn || call->nout != 1) return unsupported("pointwise: number of operands");
  gems_status status;
  if (run_at_once(call, status)) return status;
  Walk w;
  w.call = call;
  w.nin = call->nin;
  w.most = t_knobs.block ? 128 << t_knobs.block : kBlock;
  const bool identity = call->op->aten[0] == 0 && call->op->nopromote == 0 && call->nin == 1 && call->op->par == 0 &&
                        std::strcmp(call->op->name, "copy") == 0;
  const gems_tensor &to = call->t[0], *from = call->t + 1;
  if (identity && (from[0].flags & GEMS_T_SCALAR) && it.contiguous && fill_dense(call, call->compute)) return GEMS_OK;
  int block_type = call->compute;  // of the inputs
  w.result = static_cast<rule>(call->op->rule) == rule::boolean ? int{GEMS_BOOL} : int{call->compute};
  if (identity && !(from[0].flags & GEMS_T_SCALAR)) {  // no arithmetic: memory type to memory type
    if (copy_transposed(call)) return GEMS_OK;
    w.block = nullptr;
    block_type = w.result = from[0].dtype;
  } else {
    const gems_any_fn* fn = cells_of(call->op)->fn[cell_type(call->compute)];
    const bool halves = in_bf16(call);
    w.block = reinterpret_cast<gems_pointwise_block>(fn[halves]);
    if (!w.block) return unsupported("pointwise: compute type");
    if (halves) block_type = GEMS_BF16;
    if (halves && w.result == GEMS_F32) w.result = GEMS_BF16;
  }
  w.block_type = block_type;
  w.width = dtype_size(block_type);
  const int nd = it.ndim;
  const bool dense = it.contiguous;
  w.inner = it.size[nd - 1];
  w.rows = nd > 1 ? it.size[nd - 2] : 1;
  w.outer_dims = std::max(0, nd - 2);
  w.outer = 1;
  for (int d = 0; d < w.outer_dims; d++) w.outer *= it.size[d];
  const bool several = !dense && w.inner < kShortInner;
  auto place = [&](Operand& o, const gems_tensor& t, int k) {
    o.base = static_cast<char*>(t.data);
    o.size = dtype_size(t.dtype);
    o.inner = it.stride[k][nd - 1] * o.size;
    o.row = nd > 1 ? it.stride[k][nd - 2] * o.size : 0;
  };
  place(w.out, to, 0);
  w.out.convert = to.dtype == w.result ? nullptr : convert_fn(w.result, to.dtype);
  if (to.dtype != w.result && !w.out.convert) return unsupported("pointwise: output dtype");
  w.out.mode = dense || (w.out.inner == w.out.size && !several) ? Mode::direct : Mode::gather;
  w.out.transposed = false;
  bool transposed = false, by_rows = !several && w.out.mode == Mode::direct;
  for (int k = 0; k < w.nin; k++) {
    Operand& o = w.in[k];
    if (from[k].flags & GEMS_T_SCALAR) {
      o = Operand{nullptr, nullptr, nullptr, 0, 0, nullptr, 0, Mode::filled, false};
      continue;
    }
    place(o, from[k], 1 + k);
    const bool via = from[k].flags & GEMS_T_VIA;
    const int dtype = via ? call->common : from[k].dtype;
    o.via = via ? convert_fn(from[k].dtype, dtype) : nullptr;
    o.convert = dtype == block_type ? nullptr : convert_fn(dtype, block_type);
    if (dtype != block_type && !o.convert) return unsupported("pointwise: input dtype");
    if (dense || (o.inner == o.size && !several)) o.mode = o.convert ? Mode::convert : Mode::direct;
    else o.mode = o.inner == 0 && !several && w.block ? Mode::repeat : Mode::gather;
    o.transposed = o.mode == Mode::gather && !several && o.row == o.size && w.rows >= 8 && o.size > 1;
    transposed = transposed || o.transposed;
    by_rows = by_rows && (o.mode != Mode::gather || o.inner == 0);
  }
  w.streams = dense && it.numel * w.out.size > last_cache();
  for (int k = 0; k < w.nin; k++)  // in place the line is there already
    w.streams = w.streams && (w.in[k].mode == Mode::filled || w.in[k].base != w.out.base);
  if (dense) {
    if (it.numel <= kGrain) return status_of(walk_dense(w, 0, it.numel));
    std::atomic<const char*> error{nullptr};
    parallel(it.numel, kGrain, [&](int64_t b, int64_t e) {
      if (const char* mine = walk_dense(w, b, e)) error.store(mine, std::memory_order_relaxed);
    });
    return status_of(error.load());
  }
  const int64_t columns = std::min(w.inner, by_rows ? kSpan : transposed ? kTile : kBlock / 2);
  const int64_t row_tile = several                         ? std::max<int64_t>(1, kBlock / w.inner)
                           : by_rows && columns == w.inner ? std::max<int64_t>(1, kGrain / columns)
                                                           : kRowTile;
  const Pieces pieces{w, columns, row_tile};
  const int64_t per_piece = std::max<int64_t>(1, columns * std::min(row_tile, w.rows));
  std::atomic<const char*> error{nullptr};
  parallel(pieces.count(), std::max<int64_t>(1, kGrain / per_piece), [&](int64_t b, int64_t e) {
    if (const char* mine = by_rows ? walk_rows(pieces, b, e) : walk_strided(pieces, b, e))
      error.store(mine, std::memory_order_relaxed);
  });
  return status_of(error.load());
}

}  // namespace gems::cpu
