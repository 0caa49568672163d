// Reductions: along the lanes or across them, in which width, and split over how many blocks.
#include "backends/cuda/plan_team.h"

namespace gems::cuda {
namespace {

constexpr int kThreads = 256, kUnroll = 4;  // kUnroll: packs in flight in each thread, as in reduce.cuh

// Knobs.
//   tile   along the reduced dimension: threads of an output: 1, 2, 3: 8, 16, 32 of a warp, 4: a block;
//          across it: 1, 2, 3: a block has 8, 16, 32 outputs (or packs of them) beside each other
//   block  1 to 4: 128, 256, 512, 1024 threads
//   split  1: an output is one piece; 2 to 5: outputs are split until there are 1, 2, 4, 8 blocks a multiprocessor

struct ReducePlan {
  TeamPlan main, finish;  // finish only with splits > 1
  int64_t outputs = 0, splits = 1;
  bool columns = false, wide_index = false, single = true;
  int lanes = 0, bx = 0, vec = 1, max_block = kThreads;
  uint32_t spread = 0;
  const char* refused = nullptr;

  uint32_t flags(const gems_call* c, bool second) const {
    uint32_t compute = c->compute == GEMS_F32 ? 0 : c->compute == GEMS_F64 ? 1 : 2;
    return uint32_t(second) | uint32_t(columns) << 1 | uint32_t(wide_index) << 2 | uint32_t(single) << 3 |
           uint32_t(lanes ? log2_of(lanes) + 1 : 0) << 4 | uint32_t(bx ? log2_of(bx) + 1 : 0) << 7 |
           uint32_t(log2_of(vec)) << 10 | uint32_t(splits > 1) << 13 | uint32_t(log2_of(max_block)) << 14 | compute << 18 |
           spread << 20;
  }
};

int64_t magnitude(int64_t x) { return x < 0 ? -x : x; }

// Where the lanes go, and the widest pack along that dimension.
void choose(const gems_call* c, ReducePlan* p) {
  const int kept = kept_dims(c), in0 = c->nout;
  int64_t along = c->it.nred ? magnitude(c->it.stride[in0][c->it.ndim - 1]) : 0;
  int64_t across = kept ? magnitude(c->it.stride[in0][kept - 1]) : 0;
  p->columns = kept > 0 && c->it.size[kept - 1] > 1 && across != 0 && (c->it.nred == 0 || along == 0 || across < along);
  const int dim = p->columns ? kept - 1 : c->it.ndim - 1;
  if (!p->columns && c->it.nred == 0) return;
  int widest = 1;
  for (int k = in0; k < in0 + c->nin; k++) {
    if (is_absent(c->t[k])) continue;
    if (c->it.stride[k][dim] == 0 && c->nin > 1) p->spread |= 1u << (k - in0);
    else if (c->it.stride[k][dim] != 1) {
      p->spread = 0;
      return;
    } else widest = widest < 16 / dtype_size(c->t[k].dtype) ? 16 / dtype_size(c->t[k].dtype) : widest;
  }
  // One row of outputs' worth of elements may leave a tail behind its packs: all-reduce of an odd count.
  const bool tail_fits = !p->columns && c->it.nred == 1;
  for (p->vec = widest; p->vec > 1; p->vec /= 2) {
    bool fit = tail_fits || c->it.size[dim] % p->vec == 0;
    for (int k = in0; k < in0 + c->nin && fit; k++)
      if (!is_absent(c->t[k]) && !(p->spread >> (k - in0) & 1)) fit = packs_fit(c, k, p->vec, dim);
    if (fit) break;
  }
  if (p->vec == 1) p->spread = 0;
}

template <int NOUT, int NIN> void fill(const gems_call* c, ReducePlan* p, int64_t reduced) {
  auto* a = p->main.args_as<simt::ReduceArgs<NOUT, NIN>>();
  const int kept = kept_dims(c);
  for (int k = 0; k < NOUT + NIN; k++) a->p[k] = is_absent(c->t[k]) ? nullptr : c->t[k].data;
  fill_kept<NOUT + NIN>(c, &a->kept);
  for (int o = 0; o < NOUT; o++) a->out_step[o] = 0;
  if (p->columns) {
    for (int o = 0; o < NOUT; o++) a->out_step[o] = is_absent(c->t[o]) ? 0 : c->it.stride[o][kept - 1];
    a->kept.size[kept - 1] /= p->vec;
    a->kept.rows /= p->vec;
    for (int k = 0; k < NOUT + NIN; k++) a->kept.stride[k][kept - 1] *= p->vec;
  }
  a->ndim = c->it.nred ? c->it.nred : 1;
  a->size[0] = 1;
  for (int k = 0; k < NIN; k++) a->stride[k][0] = 0;
  for (int d = 0; d < c->it.nred; d++) {
    a->size[d] = c->it.size[kept + d];
    for (int k = 0; k < NIN; k++) a->stride[k][d] = is_absent(c->t[NOUT + k]) ? 0 : c->it.stride[NOUT + k][kept + d];
  }
  a->tail = 0;
  if (!p->columns && p->vec > 1) {
    const int last = a->ndim - 1;
    a->tail = int(a->size[last] % p->vec);
    a->size[last] /= p->vec;
    for (int k = 0; k < NIN; k++) a->stride[k][last] *= p->vec;
  }
  a->units = 1;
  for (int d = 0; d < a->ndim; d++) a->units *= a->size[d];
  a->small = a->units <= 0x7fffffff;
  for (int d = 0; d < a->ndim; d++)
    if (a->small && a->size[d] > 0) {
      const DivConstants k = div_constants(uint32_t(a->size[d]));
      a->div[d] = {k.d, k.mul, k.shift};
    }
  a->count = {double(reduced), float(reduced)};
  a->par = c->npar ? simt::Number{c->par[0].d, float(c->par[0].d)} : simt::Number{};
  p->single = a->ndim == 1;
}

// The grid: enough blocks to fill the device, splits where the outputs alone don't.
template <int NOUT, int NIN> void spread_out(const gems_call* c, const Device& dev, ReducePlan* p) {
  auto* a = reinterpret_cast<simt::ReduceArgs<NOUT, NIN>*>(p->main.args);
  const gems_knobs k = gems_knobs_of(c->candidate);
  const int threads = k.block ? 64 << k.block : 0, narrow = 4 << k.tile;  // narrow: what tile = 1, 2, 3 name
  const auto refuse = [&](bool when, const char* why) { p->refused = when && !p->refused ? why : p->refused; };
  int64_t blocks, most;
  if (p->columns) {
    p->bx = k.tile ? narrow : int(pow2_ceil(a->kept.rows < 32 ? a->kept.rows : 32));
    // Fewer outputs side by side where that makes a block for every multiprocessor and its threads still have work (H100: up to 30 %).
    while (!k.tile && p->bx > 8 && ceil_div(a->kept.rows, p->bx) < dev.sm_count && a->units >= 4 * kThreads / p->bx) p->bx /= 2;
    refuse(k.tile > 3 || (k.tile && p->bx > pow2_ceil(a->kept.rows)), "more outputs beside each other than there are");
    p->main.block = threads ? threads : a->units <= kThreads / p->bx * 2 ? kThreads / 2 : kThreads;
    refuse(p->main.block / 2 * p->vec * simt::kStateBytes(NOUT, c->op->slots) > 48 * 1024, "more shared memory than a block has");
    blocks = ceil_div(a->kept.rows, p->bx);
    most = a->units / (p->main.block / p->bx * 2 * kUnroll);
  } else if (k.tile ? k.tile < 4 : a->units <= 128) {
    p->lanes = k.tile ? narrow : int(pow2_ceil(a->units < 1 ? 1 : a->units < 32 ? a->units : 32));
    refuse(k.tile && p->lanes > pow2_ceil(a->units), "more threads than an output has packs");
    p->main.block = threads ? threads : kThreads;
    blocks = ceil_div(a->kept.rows, p->main.block / p->lanes);
    most = 1;
  } else {
    // A block an output: more threads when there are few outputs and the reduction is long but not long enough to be split.
    // Many outputs of 16-bit elements: 128 threads each, 15 % faster on an H100 (sum of rows of 4096 and 8192).
    const int many = dtype_size(c->t[c->nout].dtype) == 2 ? kThreads / 2 : kThreads;
    int64_t wanted = a->kept.rows >= 4 * dev.sm_count ? many : a->units / kUnroll;
    p->main.block = threads ? threads : wanted >= 1024 ? 1024 : wanted >= 512 ? 512 : wanted == many ? many : kThreads;
    refuse((k.tile || k.block) && a->units * 2 <= p->main.block, "more threads than an output has packs");
    blocks = a->kept.rows;
    most = a->units / (8 * 1024);
    if (most > 1) p->main.block = threads ? threads : 512, most = a->units / (p->main.block * 2 * kUnroll);
  }
  p->max_block = p->main.block;
  const int64_t resident = int64_t(dev.sm_count) * 2048 / p->main.block;
  const int64_t room = k.split > 1 ? int64_t(dev.sm_count) << (k.split - 2) : blocks >= resident / 2 ? 0 : resident;
  p->splits = k.split == 1 ? 1 : ceil_div(room, blocks < 1 ? 1 : blocks);
  p->splits = p->splits < most ? p->splits : most;
  if (p->splits < 1) p->splits = 1;
  refuse(k.split > 1 && p->splits == 1, "nothing to split");
  a->chunk = ceil_div(a->units, p->splits);
  if (a->chunk < 1) a->chunk = 1;
  if (p->splits > 1) p->splits = ceil_div(a->units, a->chunk);  // no empty split
  a->splits = int(p->splits);
  p->outputs = a->kept.rows * (p->columns ? p->vec : 1);
  p->main.grid_x = unsigned(blocks < kMaxGridX ? blocks : kMaxGridX);
  p->main.grid_y = unsigned(p->splits);
  if (p->splits > 1) {
    p->finish.block = p->splits > 128 ? 256 : 128;
    int64_t grid = p->splits > 128 ? p->outputs : ceil_div(p->outputs, 4);
    p->finish.grid_x = unsigned(grid < kMaxGridX ? grid : kMaxGridX);
  }
}

KernelSource reduce_source(const gems_call* c, const ReducePlan& p, bool second) {
  const std::string acc = c->compute == GEMS_F32 ? "float" : c->compute == GEMS_F64 ? "double" : "gems::i64";
  const std::string index = p.wide_index ? "gems::i64" : "int", vec = std::to_string(p.vec);
  std::string body;
  if (second) {
    body = "reduce_finish<op::" + std::string(c->op->name) + ", " + acc + ", " + index + ", " +
           (p.finish.block == 256 ? "0" : "32") + ", " + (p.columns ? vec : "1");
  } else {
    std::string shape = p.columns ? std::to_string(p.bx) + ", " + std::to_string(p.max_block / p.bx) : std::to_string(p.lanes);
    body = std::string(p.columns ? "reduce_columns" : "reduce_lanes") + "<op::" + c->op->name + ", " + acc + ", " + index + ", " +
           shape + ", " + vec + (p.single ? ", true, " : ", false, ") + std::to_string(p.spread) + "u" +
           (p.splits > 1 ? ", true" : ", false");
  }
  // 64 registers (80 for 8-byte accumulators, 128 with several inputs). Left to itself ptxas takes 40 and spills some of the packs in flight.
  const int threads = second ? p.finish.block : p.max_block, resident = c->nin > 1 ? 512 : c->compute == GEMS_F32 ? 1024 : 768;
  const int blocks = resident / threads > 0 ? resident / threads : 1;
  return team_source(c, "reduce.cuh", "__launch_bounds__(" + std::to_string(threads) + ", " + std::to_string(blocks) + ")",
                     "gems::simt::ReduceArgs<" + std::to_string(c->nout) + ", " + std::to_string(c->nin) + ">",
                     "gems::simt::" + body + operand_types(c) + ">(a);", second ? p.finish : p.main);
}

template <int NOUT, int NIN> void plan_shape(const gems_call* c, const Device& dev, ReducePlan* p, int64_t reduced) {
  fill<NOUT, NIN>(c, p, reduced);
  spread_out<NOUT, NIN>(c, dev, p);
}

template <int NOUT, int NIN> void set_partial(ReducePlan* p, void* partial) {
  reinterpret_cast<simt::ReduceArgs<NOUT, NIN>*>(p->main.args)->partial = partial;
}

#define GEMS_REDUCE_SHAPES(X) X(1, 1) X(2, 1) X(1, 2) X(1, 3) X(2, 4)

gems_status plan_reduce(const gems_call* c, const Device& dev, ReducePlan* p) {
  if (const char* why = team_refusal(c)) return unsupported(why);
  int64_t reduced = 1;
  for (int d = kept_dims(c); d < c->it.ndim; d++) reduced *= c->it.size[d];
  p->wide_index = reduced > 0x7fffffff;
  choose(c, p);
  switch (c->nout * 16 + c->nin) {
#define CASE(NOUT, NIN) \
  case NOUT * 16 + NIN: plan_shape<NOUT, NIN>(c, dev, p, reduced); break;
    GEMS_REDUCE_SHAPES(CASE)
#undef CASE
    default: return unsupported("a reduction of this many operands");
  }
  if (p->refused) return unsupported(p->refused);
  p->main.key = team_key(c, p->flags(c, false));
  return GEMS_OK;
}

const Kernel* kernel_of(const gems_call* c, const Device* dev, const ReducePlan& p, const KernelKey& key, bool second) {
  return kernel_for(dev, key, [&] { return reduce_source(c, p, second); });
}

}  // namespace

gems_status run_reduce(const gems_call* call) {
  const Device* dev = device_of(call);
  if (!dev) return GEMS_UNSUPPORTED;
  ReducePlan p;
  gems_status s = plan_reduce(call, *dev, &p);
  if (s != GEMS_OK || p.outputs == 0) return s;
  const Kernel* main = kernel_of(call, dev, p, p.main.key, false);
  if (!main) return GEMS_UNSUPPORTED;
  if (p.splits == 1) return launch(call, main, p.main.grid_x, 1, 1, unsigned(p.main.block), 0, p.main.args);

  p.finish.args_size = p.main.args_size;
  p.finish.key = team_key(call, p.flags(call, true) | uint32_t(p.finish.block == 256) << 28);
  const Kernel* finish = kernel_of(call, dev, p, p.finish.key, true);
  if (!finish) return GEMS_UNSUPPORTED;
  void* handle = nullptr;
  void* partial = scratch(call, size_t(p.outputs) * size_t(p.splits) * simt::kStateBytes(call->nout, call->op->slots), &handle);
  if (!partial) return failed("no device memory for partial results");
  switch (call->nout * 16 + call->nin) {
#define CASE(NOUT, NIN) \
  case NOUT * 16 + NIN: set_partial<NOUT, NIN>(&p, partial); break;
    GEMS_REDUCE_SHAPES(CASE)
#undef CASE
  }
  s = launch(call, main, p.main.grid_x, p.main.grid_y, 1, unsigned(p.main.block), 0, p.main.args);
  if (s == GEMS_OK) s = launch(call, finish, p.finish.grid_x, 1, 1, unsigned(p.finish.block), 0, p.main.args);
  scratch_free(handle);
  return s;
}

}  // namespace gems::cuda
