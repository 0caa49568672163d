// Planner of the pointwise family: chooses the skeleton of kernels/simt/pointwise.cuh for a call, its vector width and grid.
#include <stdint.h>

#include <algorithm>

#include "backends/cuda/geometry.h"
#include "backends/cuda/jit.h"
#include "gems/op.h"

namespace gems::cuda {
namespace {

constexpr int kMaxIn = 6, kMaxOps = 1 + kMaxIn;
constexpr int kNumberCode = 0x3f;  // in place of a dtype: a number

enum Variant { kContiguous, kStrided, kTransposed, kTiled };
enum Mode { kVector, kSplat, kTurned };  // as in pointwise.cuh

// Knobs: those of geometry.h. Where inputs are turned there is a block of 256 threads that holds as many vectors as it takes, so
// that unroll and block have no meaning; tile = 4 is shared memory in place of vectors there.
constexpr int kTiledKnob = 4;
constexpr int kMostInFlight = 256;  // bytes that a thread loads before it computes, when a knob asks: 64 registers

// What a kernel is made for; packs into its key.
struct Shape {
  int variant = kContiguous, log_e = 0, dims = 1, unroll = 1, block = kBlock;
  uint64_t turned = 0;  // key_bits
  bool bits = false;    // a copy that moves bits
  const gems_knobs* knobs = nullptr;
  uint8_t dtype[kMaxOps];  // kNumberCode for numbers
  uint8_t mode[kMaxOps] = {};
  uint8_t via = 0, common = 0;  // bit k: operand k passes through the dtype `common`
};

// A same-dtype copy moves bits: no NaN changes its payload, and dtypes of one size share a kernel.
bool moves_bits(const gems_call* c) {
  return c->nin == 1 && c->npar == 0 && c->t[0].dtype == c->t[1].dtype && !(c->t[1].flags & GEMS_T_SCALAR) &&
         !strcmp(c->op->name, "copy");
}

KernelKey key_of(const gems_call* c, int compute, const Shape& s) {
  KernelKey k;
  k.w[0] = (uint64_t)c->op->family << 56 | (uint64_t)(uint32_t)c->op->id << 32 | (uint64_t)s.variant << 24 |
           (uint64_t)s.log_e << 16 | (uint64_t)s.dims << 8 | (uint64_t)(uint8_t)compute;
  k.w[1] = k.w[2] = 0;
  for (int i = 0; i < 1 + c->nin; i++) {
    k.w[1] |= (uint64_t)s.dtype[i] << (8 * i);
    k.w[2] |= (uint64_t)s.mode[i] << (2 * i);
  }
  k.w[2] |= (uint64_t)s.via << 16 | (uint64_t)s.common << 24 | s.turned << 32;
  return k;
}

// Vectors a thread loads before it computes. Copies: 64 bytes of input in flight. Where there is arithmetic fewer, so that more blocks
// share it: H100, exhaustive search over 41 calls (docs/results, tune search): one operand by 8-byte vectors, two of them in flight, 12 to
// 23 % faster than 16 bytes and four; two operands 4 to 15 % with one vector each.
// False: a knob asks for more than registers hold.
bool set_unroll(Shape& s, int nin) {
  int bytes = 0;
  for (int i = 1; i <= nin; i++)
    if (s.dtype[i] != kNumberCode && s.mode[i] != kSplat) bytes += 1 << kLogSize.of[s.dtype[i]];
  bytes <<= s.log_e;
  const int usual = s.bits ? bytes >= 64 ? 1 : bytes >= 32 ? 2 : 4 : bytes >= 32 ? 1 : 2;
  s.unroll = usual;
  if (__builtin_expect(!s.knobs, 1)) return true;
  s.unroll = unroll_of(s.knobs, usual);
  s.block = block_of(s.knobs);
  s.turned = key_bits(s.knobs, s.unroll, usual, s.block);
  return !(s.knobs->unroll | s.knobs->tile) || bytes * s.unroll <= kMostInFlight;
}
constexpr const char* kTooMuchInFlight = "this variant keeps more in flight than registers hold";

const char* compute_name(int compute) {
  switch (compute) {
    case GEMS_F32: return "float";
    case GEMS_F64: return "double";
    case GEMS_I64: return "gems::i64";
    case GEMS_I32: return "int";
    case GEMS_BOOL: return "bool";
    default: return cuda_type(compute);  // copies of bits
  }
}

__attribute__((noinline)) KernelSource pointwise_source(const gems_call* c, int compute, const Shape& s, size_t args_size) {
  const auto num = [](int x) { return std::to_string(x); };
  KernelSource src;
  const std::string n = num(1 + c->nin), p = num(c->op->par), e = num(1 << s.log_e), u = num(s.unroll), d = num(s.dims);
  const auto memory = [&](int i) -> std::string {
    const std::string t = cuda_type(s.dtype[i]);
    return s.via >> i & 1 ? std::string("gems::simt::Via<") + cuda_type(s.common) + ", " + t + ">" : t;
  };
  std::string types = cuda_type(s.dtype[0]);
  for (int i = 1; i <= c->nin; i++) {
    const std::string t = s.dtype[i] == kNumberCode ? "gems::simt::Number" : memory(i);
    types += ", gems::simt::In<" + t + ", " + num(s.mode[i]) + ">";
  }
  src.headers = "#include \"kernels/simt/pointwise.cuh\"\n#include \"" + std::string(c->op->header) + "\"\n";
  const std::string f = "<op::" + std::string(c->op->name) + ", " + compute_name(compute) + ", ", block = num(s.block);
  const char* ns = "gems::simt::";
  switch (s.variant) {
    case kContiguous:
      src.args_type = ns + ("ContiguousArgs<" + n + ", " + p + ">");
      src.body = ns + ("contiguous" + f + block + ", " + e + ", " + u + ", " + types + ">(a);");
      break;
    case kStrided:
      src.args_type = ns + ("StridedArgs<" + n + ", " + p + ", " + d + ">");
      src.body = ns + ("strided" + f + block + ", " + e + ", " + u + ", " + d + ", " + types + ">(a);");
      break;
    case kTransposed:
      src.args_type = ns + ("TransposedArgs<" + n + ", " + p + ", " + d + ">");
      src.body = ns + ("transposed" + f + e + ", " + d + ", " + types + ">(a);");
      break;
    case kTiled:
      src.args_type = ns + ("TransposedArgs<" + n + ", " + p + ", " + d + ">");
      src.body = ns + ("tiled" + f + d + ", " + types + ">(a);");
      break;
  }
  // Two blocks of the transposed skeleton on a multiprocessor leave 128 registers a thread for its E x E blocks.
  src.attributes = "__launch_bounds__(" + block + (s.variant == kTransposed ? ", 2)" : ")");
  src.block = s.block;
  src.start = KernelSource::Start::overlapping;
  src.args_size = args_size;
  return src;
}

gems_status run_kernel(const gems_call* c, const Device* dev, int compute, const Shape& s, const ArgWriter& args,
                       uint64_t blocks) {
  if (blocks > INT32_MAX) return unsupported("more blocks than a grid takes");
  const Kernel* k = kernel_for(dev, key_of(c, compute, s), [&] { return pointwise_source(c, compute, s, args.size()); });
  if (!k) return GEMS_UNSUPPORTED;
  return launch(c, k, (unsigned)blocks, 1, 1, (unsigned)s.block, 0, args.data());
}

void write_numbers(const gems_call* c, int compute, ArgWriter& w) {
  for (int i = 0; i < c->npar; i++) w.u64(number_bits(c->par[i], compute));
  if (c->npar == 0) w.u64(0);
}

// Vector width: 16 bytes of the widest type, but at least 4 elements where types are mixed (conversions, comparisons), and what
// sizes, strides and addresses (`mis`: all of them in elements, or'ed) allow.
int log_vector(const gems_knobs* k, int log_widest, int log_narrowest, uint64_t mis) {
  int e = 4 - log_widest;
  if (k && k->tile) e = std::clamp(log_vector_bytes(k) - log_widest, 0, 4);
  else if (log_widest != log_narrowest && e < 2) e = 2;
  return mis ? std::min(e, __builtin_ctzll(mis)) : e;
}

gems_status run_contiguous(const gems_call* c, const Device* dev, int compute, Shape& s) {
  ArgWriter w;
  uint64_t mis = 0;
  int widest = 0, narrowest = 4;
  for (int i = 0; i <= c->nin; i++) {
    const gems_tensor& t = c->t[i];
    if (s.dtype[i] == kNumberCode) {
      s.mode[i] = kSplat;
      w.u64(number_bits(t.imm, compute));
    } else {
      const int l = kLogSize.of[s.dtype[i]];
      widest = std::max(widest, l);
      narrowest = std::min(narrowest, l);
      mis |= (uintptr_t)t.data >> l;
      w.u64((uintptr_t)t.data);
    }
  }
  if (s.knobs && s.knobs->tile == kTiledKnob) return unsupported("nothing is turned here");
  s.variant = kContiguous;
  s.log_e = log_vector(s.knobs, widest, narrowest, mis);
  if (c->nin == 1 && !s.bits && widest == narrowest && !(s.knobs && s.knobs->tile)) s.log_e = std::min(s.log_e, 3 - widest);
  if (!set_unroll(s, c->nin)) return unsupported(kTooMuchInFlight);
  const uint64_t n = (uint64_t)c->it.numel, vectors = n >> s.log_e;
  const uint32_t tile = tile_of(vectors, s.unroll, s.block, s.knobs, dev->sm_count);
  write_numbers(c, compute, w);
  w.u64(n);
  w.u32(tile);
  w.u32(0);
  return run_kernel(c, dev, compute, s, w, std::max<uint64_t>(1, (vectors + tile - 1) / tile));
}

gems_status run_strided(const gems_call* c, const Device* dev, int compute, Shape& s, const Space& g) {
  int widest = 0, narrowest = 4;
  uint64_t mis = (uint64_t)g.size[0];
  bool vectors_fit = true;
  for (int k = 0; k < g.nops; k++) {
    s.mode[k] = kSplat;
    if (!g.memory[k]) continue;
    widest = std::max(widest, g.log_size[k]);
    narrowest = std::min(narrowest, g.log_size[k]);
    const int64_t inner = g.stride[k][0];
    if (inner == 0 && k > 0) continue;
    s.mode[k] = kVector;
    vectors_fit &= inner == 1;
    mis |= g.slot[k] >> g.log_size[k];
    for (int d = 1; d < g.ndim; d++) mis |= (uint64_t)g.stride[k][d];
  }
  if (s.knobs && s.knobs->tile == kTiledKnob) return unsupported("nothing is turned here");
  s.variant = kStrided;
  s.log_e = vectors_fit ? log_vector(s.knobs, widest, narrowest, mis) : 0;
  if (s.log_e == 0)  // one kernel for all strides
    for (int k = 0; k < g.nops; k++) s.mode[k] = g.memory[k] ? kVector : kSplat;
  s.dims = padded_dims(g.ndim);
  if (!set_unroll(s, c->nin)) return unsupported(kTooMuchInFlight);
  const uint64_t vectors = (uint64_t)g.numel() >> s.log_e;
  const uint32_t tile = tile_of(vectors, s.unroll, s.block, s.knobs, dev->sm_count);
  ArgWriter w;
  for (int k = 0; k < g.nops; k++) w.u64(g.slot[k]);
  write_numbers(c, compute, w);
  w.u32((uint32_t)vectors);
  w.u32(tile);
  for (int d = 0; d < s.dims; d++) w.div(d >= g.ndim ? 1 : d ? (uint64_t)g.size[d] : (uint64_t)g.size[0] >> s.log_e);
  for (int d = 0; d < s.dims; d++)
    for (int k = 0; k < g.nops; k++) w.i32(d >= g.ndim ? 0 : d ? g.stride[k][d] : g.stride[k][0] << s.log_e);
  return run_kernel(c, dev, compute, s, w, (vectors + tile - 1) / tile);
}

// The dimension along which inputs are dense that aren't along the innermost; 0 if there is no such or it isn't the same for all.
int turned_dim(const Space& g) {
  if (g.ndim < 2 || g.stride[0][0] != 1 || g.size[0] < 8) return 0;
  int y = 0;
  for (int k = 1; k < g.nops; k++) {
    if (!g.memory[k] || g.stride[k][0] == 0 || g.stride[k][0] == 1) continue;
    int at = 0;
    for (int d = 1; d < g.ndim; d++)
      if (g.stride[k][d] == 1 && g.size[d] >= 8) at = d;
    if (at == 0 || (y && at != y)) return 0;
    y = at;
  }
  return y;
}

gems_status run_turned(const gems_call* c, const Device* dev, int compute, Shape& s, const Space& g, int y) {
  int widest = 0, narrowest = 4;
  uint64_t mis = (uint64_t)(g.size[0] | g.size[y]);
  for (int k = 0; k < g.nops; k++) {
    s.mode[k] = kSplat;
    if (!g.memory[k]) continue;
    widest = std::max(widest, g.log_size[k]);
    narrowest = std::min(narrowest, g.log_size[k]);
    s.mode[k] = g.stride[k][0] == 0 ? kSplat : g.stride[k][0] == 1 ? kVector : kTurned;
    if (s.mode[k] == kSplat) continue;
    mis |= g.slot[k] >> g.log_size[k];
    for (int d = 0; d < g.ndim; d++)
      if (g.stride[k][d] != 1) mis |= (uint64_t)g.stride[k][d];
  }
  if (s.knobs && (s.knobs->unroll | s.knobs->block)) return unsupported("a turned operand fixes what a block holds");
  const bool tiled = s.knobs && s.knobs->tile == kTiledKnob;
  s.log_e = tiled ? 0 : std::min(log_vector(s.knobs, widest, narrowest, mis), 3);  // 8 x 8 blocks at most: registers
  s.variant = s.log_e && s.log_e + widest >= 3 ? kTransposed : kTiled;             // vectors of 8 bytes at least
  if (s.variant == kTiled) s.log_e = 0;
  const int64_t edge = s.variant == kTransposed ? 16 << s.log_e : 32;
  const uint64_t tiles_x = (uint64_t)((g.size[0] + edge - 1) / edge), tiles_y = (uint64_t)((g.size[y] + edge - 1) / edge);
  s.dims = padded_dims(g.ndim - 2);
  ArgWriter w;
  for (int k = 0; k < g.nops; k++) w.u64(g.slot[k]);
  write_numbers(c, compute, w);
  w.u32((uint32_t)g.size[0]);
  w.u32((uint32_t)g.size[y]);
  w.u32((uint32_t)tiles_x);
  w.u32((uint32_t)tiles_y);
  w.u32(16);  // group: see find_tile
  w.u32(0);
  for (int k = 0; k < g.nops; k++) w.i32(s.mode[k] == kTurned ? g.stride[k][0] : g.stride[k][y]);
  int further[GEMS_MAX_DIMS], n = 0;
  for (int d = 1; d < g.ndim; d++)
    if (d != y) further[n++] = d;
  for (int d = 0; d < s.dims; d++) w.u32(d < n ? (uint32_t)g.size[further[d]] : 1);
  for (int d = 0; d < s.dims; d++)
    for (int k = 0; k < g.nops; k++) w.i32(d < n ? g.stride[k][further[d]] : 0);
  const uint64_t planes = (uint64_t)(g.numel() / g.size[0] / g.size[y]);
  return run_kernel(c, dev, compute, s, w, tiles_x * tiles_y * planes);
}

gems_status run_space(const gems_call* c, const Device* dev, int compute, Shape& s, Space& g) {
  if (!g.fits_32_bits()) {
    Space rest;
    if (g.cut(rest) < 0) return unsupported("an operand's offsets exceed 32 bits");
    const gems_status r = run_space(c, dev, compute, s, g);
    return r == GEMS_OK ? run_space(c, dev, compute, s, rest) : r;
  }
  const int y = turned_dim(g);
  return y ? run_turned(c, dev, compute, s, g, y) : run_strided(c, dev, compute, s, g);
}

}  // namespace

gems_status run_pointwise(const gems_call* c) {
  if (c->it.numel == 0) return GEMS_OK;
  if (c->nout != 1 || c->nin > kMaxIn) return unsupported("pointwise operators have one output and at most six inputs");
  const Device* dev = device_of(c);
  if (!dev) return GEMS_UNSUPPORTED;
  Shape s;
  const Knobs knobs(c);
  s.knobs = knobs.set;
  s.bits = moves_bits(c);
  int compute = c->compute;
  const bool bits = moves_bits(c);
  for (int i = 0; i <= c->nin; i++) {
    const gems_tensor& t = c->t[i];
    if (t.flags & GEMS_T_SCALAR) {
      s.dtype[i] = kNumberCode;
      continue;
    }
    if (t.flags & GEMS_T_ABSENT) return unsupported("an operand is missing");
    if (t.device_type != GEMS_CUDA || t.device_index != c->t[0].device_index) return unsupported("operands on different devices");
    if (!dtype_is_served(t.dtype)) return unsupported("dtype");
    s.dtype[i] = bits ? kBits[kLogSize.of[t.dtype]] : (uint8_t)t.dtype;
    if (t.flags & GEMS_T_VIA) s.via |= (uint8_t)(1 << i), s.common = (uint8_t)c->common;
  }
  if (bits) compute = s.dtype[0];
  if (c->it.contiguous) return run_contiguous(c, dev, compute, s);
  const gems_iter& it = c->it;
  Space g;
  g.ndim = it.ndim;
  g.nops = 1 + c->nin;
  for (int d = 0; d < it.ndim; d++) g.size[d] = it.size[it.ndim - 1 - d];
  for (int k = 0; k < g.nops; k++) {
    g.memory[k] = s.dtype[k] != kNumberCode;
    g.slot[k] = g.memory[k] ? (uint64_t)(uintptr_t)c->t[k].data : number_bits(c->t[k].imm, compute);
    g.log_size[k] = g.memory[k] ? kLogSize.of[s.dtype[k]] : 0;
    for (int d = 0; d < it.ndim; d++) g.stride[k][d] = g.memory[k] ? it.stride[k][it.ndim - 1 - d] : 0;
  }
  return run_space(c, dev, compute, s, g);
}

}  // namespace gems::cuda
