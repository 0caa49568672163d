// Row operators: which threads hold a row, and in what width it is read.
#include <string.h>

#include "backends/cuda/plan_team.h"

namespace gems::cuda {
namespace {

constexpr int kMaxRowOperands = 8;
constexpr int kColumnWidth = 32;  // neighbouring rows of a block where the row itself isn't contiguous

// Knobs.
//   tile    threads of a row: 1, 2, 3: 8, 16, 32 of a warp; 4 to 7: a block, of 128, 256, 512, 1024 at most. Where neighbouring rows
//           lie beside each other: 1 to 4: 4, 8, 16, 32
//   unroll  1: the row isn't kept in registers, each pass reads it again; 2: it is kept, and weights are read behind the
//           reduction; 3: it is kept, and weights are read with it
//   block   threads of a block that has several rows along memory: 1 to 4: 64, 128, 256, 512. Of a block with one row: 1 to 3: its
//           registers are bounded so that 1024, 1536, 2048 threads fit a multiprocessor

struct RowVariant {
  int lanes = 0;      // threads of a row within a warp; 0: the block
  int column_by = 0;  // > 0: ColumnTeam<kColumnWidth, column_by>
  int vpt = 0, vec = 1;
  bool full = false;
  uint32_t given = 0;
  int max_block = 256;
  bool dense = false;             // DenseRowArgs
  bool early = false;             // weights are read with the row
  int size = 0;                   // threads of the block, where the kernel is made for exactly so many
  int resident = 0;               // threads that are to fit a multiprocessor; 0: the compiler decides
  const char* refused = nullptr;  // a knob that this call can't have

  uint32_t flags(bool f64) const {  // vpt <= 32, vec <= 8, lanes <= 32, column_by <= 32, size <= 1024
    uint32_t vpt_code = vpt ? log2_of(vpt) + 1 : 0, team = column_by ? 8 + log2_of(column_by) : lanes ? log2_of(lanes) + 1 : 0;
    return vpt_code | team << 3 | uint32_t(log2_of(vec)) << 7 | uint32_t(full) << 9 | uint32_t(log2_of(max_block)) << 10 |
           uint32_t(f64) << 14 | uint32_t(dense) << 15 | given << 16 | uint32_t(early) << 24 | uint32_t(size / 32) << 25;
  }
};

char role_of(const gems_call* c, int k) {
  for (const char* r = c->op->roles; *r; r++)
    if (*r != ' ' && k-- == 0) return *r;
  return 0;
}

RowVariant refuse(const char* why) {
  RowVariant v;
  v.refused = why;
  return v;
}

RowVariant choose(const gems_call* c, const Device& dev, int64_t rows, int64_t n) {
  const gems_knobs k = gems_knobs_of(c->candidate);
  constexpr const char* kIdle = "more threads than the row has packs";
  constexpr const char* kNotKept = "the row doesn't fit its threads' registers";
  RowVariant v;
  const int nt = c->nout + c->nin, row_dim = c->it.ndim - 1;
  int widest = 1, bytes = 0, weight_bytes = 0, first = -1;
  bool unit_steps = true;
  char roles[kMaxRowOperands];
  for (int k = 0; k < nt; k++) {
    roles[k] = role_of(c, k);
    if (is_absent(c->t[k])) continue;
    v.given |= 1u << k;
    if (roles[k] == 's') continue;
    if (n > 1 && c->it.stride[k][row_dim] != 1) unit_steps = false;
    if (roles[k] == 'r') widest = widest < 16 / dtype_size(c->t[k].dtype) ? 16 / dtype_size(c->t[k].dtype) : widest;
    if (roles[k] == 'v') weight_bytes += dtype_size(c->t[k].dtype);
    if (roles[k] == 'r' && k >= c->nout) bytes += dtype_size(c->t[k].dtype), first = first < 0 ? k : first;
  }
  const int latency_rows = 2 * dev.sm_count;

  // The row lies across memory and its neighbours lie side by side: neighbouring lanes take neighbouring rows.
  if (first >= 0 && n > 1 && row_dim > 0) {
    int64_t across = c->it.stride[first][row_dim - 1], along = c->it.stride[first][row_dim];
    across = across < 0 ? -across : across;
    along = along < 0 ? -along : along;
    if (across < along && across > 0 && c->it.size[row_dim - 1] >= 8) {
      const int word_bytes = bytes < 4 ? 4 : bytes;
      if (k.tile > 4 || k.block || k.unroll > 2) return refuse("rows beside each other have 4 to 32 threads each");
      v.column_by = k.tile ? 2 << k.tile : n > 512 || rows < 32 * latency_rows ? 32 : n > 128 ? 16 : 4;
      if (n < v.column_by && k.tile > 1) return refuse(kIdle);
      if (n < v.column_by) v.column_by = 4;
      v.vpt = int(pow2_ceil(ceil_div(n < (1 << 20) ? n : (1 << 20), v.column_by)));
      if (v.vpt > 16 || v.vpt * word_bytes / 4 > 32) v.vpt = 0;  // with 32 strided addresses 64 registers spill
      if (k.unroll == 2 && !v.vpt) return refuse(kNotKept);
      if (k.unroll == 1) v.vpt = 0;
      v.full = v.vpt > 0 && n == int64_t(v.vpt) * v.column_by;
      v.max_block = kColumnWidth * v.column_by;
      return v;
    }
  }

  v.vec = unit_steps ? widest : 1;
  for (; v.vec > 1; v.vec /= 2) {
    bool fit = n % v.vec == 0;
    for (int k = 0; k < nt && fit; k++)
      if (!is_absent(c->t[k]) && roles[k] != 's') fit = packs_fit(c, k, v.vec, row_dim);
    if (fit) break;
  }
  v.dense = unit_steps && row_dim <= 1 && rows <= kMaxGridX;
  const int64_t packs = n / v.vec;
  const auto fits = [&](int64_t limit) {
    return v.vpt <= 32 && int64_t(v.vpt) * v.vec * bytes / 4 <= limit && v.vpt * v.vec <= 64;
  };
  if (k.tile ? k.tile < 4 : packs <= 128) {  // several rows a block, no barrier
    if (k.unroll == 1) return refuse("a row of a warp is kept in registers");
    v.lanes = k.tile ? 4 << k.tile : int(pow2_ceil(packs < 1 ? 1 : packs < 32 ? packs : 32));
    v.vpt = int(pow2_ceil(ceil_div(packs < 1 ? 1 : packs, v.lanes)));
    v.max_block = k.block ? 32 << k.block : 128;
    v.full = packs == v.vpt * v.lanes;
    if (k.tile && v.lanes > pow2_ceil(packs)) return refuse(kIdle);
    if (k.tile && !fits(64)) return refuse(kNotKept);
  } else {
    if (k.block > 3) return refuse("a block has one row");
    v.resident = k.block ? 512 + 512 * k.block : 0;
    // Few rows: as many threads as the row has packs, for latency. Many rows: 4 packs a thread (chosen by the bytes that
    // fit an SM at once: 256 threads of 48 registers hold 16 KB of bfloat16, five such blocks run on an SM).
    const int most = k.tile ? 8 << k.tile : 1024;
    v.vpt = rows > latency_rows && !k.tile ? 4 : 1;
    while (packs > int64_t(v.vpt) * most) v.vpt *= 2;
    v.max_block = int(pow2_ceil(ceil_div(packs, v.vpt)));
    if (k.tile && v.max_block < most) return refuse(kIdle);
    v.max_block = v.max_block < 128 ? 128 : v.max_block;
    const int limit = v.max_block < 1024 ? 64 : 36;                   // 1024 threads have 64 registers each
    const bool wide = c->compute == GEMS_F64 && v.max_block == 1024;  // exp in double spills there
    const bool kept = !wide && fits(limit);
    if (k.unroll > 1 && !kept) return refuse(kNotKept);
    if (!kept || k.unroll == 1) v.vpt = 0, v.max_block = k.tile ? most : 512;
  }
  // Read behind the reduction, weights queue behind other blocks' rows. Read with the row, norms of 1 to 1024 rows of 4096 take
  // 2 to 14 % less (H100, chain in a graph), layer_norm of 4096 rows 3 %. Not beyond 48 registers of packs: that is layer_norm with
  // 4 packs of bfloat16, 64 registers a thread, and 64 KB of rows still fit a multiprocessor. double computes in twice the
  // registers (layer_norm, blocks of 512: 74, then one fits where two did, 113 us instead of 96).
  const int64_t words = int64_t(v.vpt) * v.vec * (bytes + weight_bytes) / 4;
  v.early = v.vpt > 0 && weight_bytes > 0 && words <= (v.max_block < 1024 && c->compute != GEMS_F64 ? 48 : 36);
  if (k.unroll == 3 && (!weight_bytes || words > 128)) return refuse("no weights, or too many to be kept with the row");
  if (k.unroll > 1) v.early = k.unroll == 3;
  return v;
}

KernelSource row_source(const gems_call* c, const TeamPlan& plan, const RowVariant& v) {
  std::string team = v.column_by
                         ? "gems::simt::ColumnTeam<" + std::to_string(kColumnWidth) + ", " + std::to_string(v.column_by) + ">"
                         : "gems::simt::Team<" + std::to_string(v.lanes) + (v.size ? ", " + std::to_string(v.size) : "") + ">";
  const int blocks = v.resident ? v.resident / v.max_block : v.vpt ? 0 : 1;
  std::string attributes =
      "__launch_bounds__(" + std::to_string(v.max_block) + (blocks ? ", " + std::to_string(blocks) : "") + ")";
  const std::string args =
      (v.dense ? "gems::simt::DenseRowArgs<" : "gems::simt::RowArgs<") + std::to_string(c->nout + c->nin) + ">";
  std::string body = std::string("gems::simt::row<op::") + c->op->name + ", " + (c->compute == GEMS_F64 ? "double" : "float") +
                     ", " + team + ", " + std::to_string(v.vpt) + ", " + std::to_string(v.vec) + ", " +
                     (v.full ? "true" : "false") + ", " + (v.early ? "true" : "false") + ", " + std::to_string(v.given) + "u, " +
                     args + operand_types(c) + ">(a);";
  KernelSource src = team_source(c, "row.cuh", attributes, args, body, plan);
  src.start = KernelSource::Start::skeleton_waits;
  return src;
}

template <int NT> void fill_dense(const gems_call* c, TeamPlan* plan) {
  auto* a = plan->args_as<simt::DenseRowArgs<NT>>();
  a->rows = c->it.ndim > 1 ? c->it.size[0] : 1;
  for (int k = 0; k < NT; k++) {
    const bool absent = is_absent(c->t[k]);
    a->p[k] = absent ? nullptr : c->t[k].data;
    a->stride[k] = absent || c->it.ndim == 1 ? 0 : c->it.stride[k][0];
  }
}
template <int NT> void fill_any(const gems_call* c, TeamPlan* plan) {
  auto* a = plan->args_as<simt::RowArgs<NT>>();
  for (int k = 0; k < NT; k++) {
    bool absent = is_absent(c->t[k]);
    a->p[k] = absent ? nullptr : c->t[k].data;
    a->step[k] = absent ? 0 : c->it.stride[k][c->it.ndim - 1];
  }
  fill_kept<NT>(c, &a->kept);
}
template <int NT> void fill(const gems_call* c, int64_t n, bool dense, TeamPlan* plan) {
  const auto common = [&](auto* a) {
    a->n = n;
    a->length = {double(n), float(n)};
    for (int i = 0; i < c->npar && i < 2; i++) a->par[i] = {c->par[i].d, float(c->par[i].d)};
  };
  if (dense) fill_dense<NT>(c, plan), common(plan->args_as<simt::DenseRowArgs<NT>>());
  else fill_any<NT>(c, plan), common(plan->args_as<simt::RowArgs<NT>>());
}

}  // namespace

// Fills plan and, if asked for, the source of its kernel. Needs no device. `rows` tells whether there is anything to do.
gems_status plan_row(const gems_call* c, const Device& dev, TeamPlan* plan, KernelSource* source) {
  if (const char* why = team_refusal(c)) return unsupported(why);
  if (c->it.nred != 1) return unsupported("a row must be one dimension");
  if (c->compute != GEMS_F32 && c->compute != GEMS_F64) return unsupported("row operators compute in float32 or float64");
  if (c->npar > 2) return unsupported("more numbers than the kernel's arguments hold");
  int64_t rows = 1, n = c->it.size[c->it.ndim - 1];
  for (int d = 0; d < c->it.ndim - 1; d++) rows *= c->it.size[d];
  RowVariant v = choose(c, dev, rows, n);
  if (v.refused) return unsupported(v.refused);
  int64_t teams = 1;
  if (v.column_by) plan->block = v.max_block, teams = kColumnWidth;
  else if (v.lanes) plan->block = v.max_block, teams = v.max_block / v.lanes;
  else if (v.vpt) {
    plan->block = int(ceil_div(ceil_div(n / v.vec, v.vpt), 32) * 32);
    v.full = n / v.vec == int64_t(v.vpt) * plan->block;
    // A kernel for this block size alone: addresses are one register and constants, the reduction knows its warps (rms_norm of
    // 4096 rows: 25.4 to 24.8 us). Compiled for each row length, so not where few rows gain little.
    if (v.full && v.dense && rows > 2 * dev.sm_count) v.size = plan->block;
  } else plan->block = v.max_block;
  switch (c->nout + c->nin) {
    case 2: fill<2>(c, n, v.dense, plan); break;
    case 3: fill<3>(c, n, v.dense, plan); break;
    case 4: fill<4>(c, n, v.dense, plan); break;
    case 5: fill<5>(c, n, v.dense, plan); break;
    case 6: fill<6>(c, n, v.dense, plan); break;
    case 7: fill<7>(c, n, v.dense, plan); break;
    case 8: fill<8>(c, n, v.dense, plan); break;
    default: return unsupported("more operands than the kernel's arguments hold");
  }
  int64_t grid = ceil_div(rows, teams);
  plan->grid_x = unsigned(grid < kMaxGridX ? grid : kMaxGridX);
  plan->key = team_key(c, v.flags(c->compute == GEMS_F64));
  plan->key.w[2] = uint64_t(v.resident);  // no row operator has operands there
  if (source) *source = row_source(c, *plan, v);
  return GEMS_OK;
}

gems_status run_row(const gems_call* call) {
  const Device* dev = device_of(call);
  if (!dev) return GEMS_UNSUPPORTED;
  TeamPlan plan;
  gems_status s = plan_row(call, *dev, &plan, nullptr);
  if (s != GEMS_OK) return s;
  if (plan.grid_x == 0) return GEMS_OK;  // no rows
  const Kernel* k = kernel_for(dev, plan.key, [&] {
    KernelSource src;
    plan_row(call, *dev, &plan, &src);
    return src;
  });
  if (!k) return GEMS_UNSUPPORTED;
  return launch(call, k, plan.grid_x, 1, 1, unsigned(plan.block), 0, plan.args);
}

}  // namespace gems::cuda
