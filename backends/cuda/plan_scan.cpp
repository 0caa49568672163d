// Scans: who walks along a row, and when long rows are cut into segments.
#include <algorithm>

#include "backends/cuda/plan_team.h"

namespace gems::cuda {
namespace {

// Knobs.
//   tile   threads of a row: 1, 2, 3: 8, 16, 32 of a warp; 4: a block; 5: one, its neighbours have the neighbouring rows
//   block  1 to 4: 128, 256, 512, 1024 threads
//   split  1: a row is one piece; 2, 3, 4: rows are cut into segments, until there are 1, 2, 4 blocks a multiprocessor

enum Mode { kRows = 0, kTotals = 1, kSegments = 2, kColumns = 3, kScanOfTotals = 4 };

struct ScanPlan {
  TeamPlan plan;
  int lanes = 0, vec = 1, max_block = 256;
  int64_t rows = 1, splits = 1;
  bool columns = false;

  simt::ScanArgs* args() { return reinterpret_cast<simt::ScanArgs*>(plan.args); }
  KernelKey key(const gems_call* c, Mode mode) const {
    uint32_t compute = c->compute == GEMS_F32 ? 0 : c->compute == GEMS_F64 ? 1 : 2;
    return team_key(c, uint32_t(mode) | uint32_t(lanes ? log2_of(lanes) + 1 : 0) << 3 | uint32_t(log2_of(vec)) << 6 |
                           uint32_t(log2_of(max_block)) << 9 | compute << 13);
  }
};

gems_status plan_scan(const gems_call* c, const Device& dev, ScanPlan* p) {
  if (const char* why = team_refusal(c)) return unsupported(why);
  if (c->it.nred != 1 || c->nin != 1 || c->nout != 1) return unsupported("a scan of one operand along one dimension");
  const int dim = c->it.ndim - 1;
  const int64_t n = c->it.size[dim];
  auto* a = p->plan.args_as<simt::ScanArgs>();
  fill_kept<2>(c, &a->kept);
  p->rows = a->kept.rows;
  if (p->rows == 0 || n == 0) return GEMS_OK;
  a->out = c->t[0].data, a->in = c->t[1].data;
  a->out_step = c->it.stride[0][dim], a->in_step = c->it.stride[1][dim];
  a->n = n, a->chunk = n, a->splits = 1, a->partial = nullptr;

  int64_t along = a->in_step < 0 ? -a->in_step : a->in_step, across = dim > 0 ? c->it.stride[1][dim - 1] : 0;
  across = across < 0 ? -across : across;
  const gems_knobs k = gems_knobs_of(c->candidate);
  const int threads = k.block ? 64 << k.block : 0;
  p->columns =
      k.tile ? k.tile == 5 : dim > 0 && across > 0 && across < along && (p->rows >= 65536 || (p->rows >= 4096 && n <= 128));
  if (p->columns) {
    if (k.split) return unsupported("one thread walks along a row");
    p->plan.block = p->max_block = threads ? threads : 128;
    int64_t grid = ceil_div(p->rows, p->plan.block);
    p->plan.grid_x = unsigned(grid < kMaxGridX ? grid : kMaxGridX);
    return GEMS_OK;
  }
  if (n == 1 || (a->in_step == 1 && a->out_step == 1)) {
    int smaller = dtype_size(c->t[0].dtype) < dtype_size(c->t[1].dtype) ? dtype_size(c->t[0].dtype) : dtype_size(c->t[1].dtype);
    for (p->vec = smaller < 2 ? 8 : 16 / smaller; p->vec > 1; p->vec /= 2)
      if (n % p->vec == 0 && packs_fit(c, 0, p->vec, dim) && packs_fit(c, 1, p->vec, dim)) break;
  }
  const int64_t packs = n / p->vec;
  // A warp or less a row; where the row lies across memory, few threads of it, so that neighbouring rows are read together. A row of more
  // than 64 packs has a block of its own unless there are many (H100: 64 rows of 2048 in 45 % of the time; 2048 columns of 64 in 56 %,
  // 4096 columns of 2048 in 30 %).
  const bool strided = a->in_step != 1 && n > 1;
  if (k.tile ? k.tile < 4 : strided ? packs <= 256 || p->rows >= 2048 : packs <= (p->rows >= 16 * dev.sm_count ? 256 : 64)) {
    p->lanes = k.tile ? 4 << k.tile : int(pow2_ceil(std::min<int64_t>(packs, strided ? packs <= 256 ? 8 : 16 : 32)));
    if (p->lanes > pow2_ceil(packs)) return unsupported("more threads than the row has packs");
    if (k.split > 1) return unsupported("a row of a warp isn't cut");
    p->plan.block = p->max_block = threads ? threads : 128;
  } else {
    p->plan.block = threads ? threads : packs <= 1024 || p->rows >= 4 * dev.sm_count ? 256 : packs <= 4096 ? 512 : 1024;
    if ((k.tile || k.block) && packs * 2 <= p->plan.block) return unsupported("more threads than the row has packs");
    const int64_t step = int64_t(p->plan.block) * p->vec, longest = n / (4 * step);  // at least four steps a segment
    p->splits = k.split == 1 ? 1
                : k.split    ? ceil_div(int64_t(dev.sm_count) << (k.split - 2), p->rows)
                             : (p->rows < dev.sm_count ? ceil_div(2 * dev.sm_count, p->rows) : 1);
    if (p->splits > longest) p->splits = longest;
    if (p->splits < 2) p->splits = 1;
    if (p->splits == 1 && k.split > 1) return unsupported("nothing to cut");
    a->chunk = ceil_div(ceil_div(n, p->splits), step) * step;
    p->splits = ceil_div(n, a->chunk);
    a->splits = int(p->splits);
    p->max_block = p->plan.block;
  }
  int64_t teams = p->lanes ? p->plan.block / p->lanes : 1, grid = ceil_div(p->rows, teams);
  p->plan.grid_x = unsigned(grid < kMaxGridX ? grid : kMaxGridX);
  p->plan.grid_y = unsigned(p->splits);
  return GEMS_OK;
}

KernelSource scan_source(const gems_call* c, const ScanPlan& p, Mode mode) {
  const std::string acc = c->compute == GEMS_F32 ? "float" : c->compute == GEMS_F64 ? "double" : "gems::i64";
  std::string body =
      "gems::simt::" + std::string(mode == kColumns ? "scan_columns" : "scan_lanes") + "<op::" + c->op->name + ", " + acc;
  if (mode == kScanOfTotals) body += ", 0, 1, 0, " + acc + ", " + acc;
  else {
    if (mode != kColumns)
      body += ", " + std::to_string(p.lanes) + ", " + std::to_string(p.vec) + ", " + std::to_string(int(mode));
    body += operand_types(c);
  }
  return team_source(c, "scan.cuh", "__launch_bounds__(" + std::to_string(mode == kScanOfTotals ? 256 : p.max_block) + ")",
                     "gems::simt::ScanArgs", body + ">(a);", p.plan);
}

const Kernel* kernel_of(const gems_call* c, const Device* dev, const ScanPlan& p, Mode mode) {
  return kernel_for(dev, p.key(c, mode), [&] { return scan_source(c, p, mode); });
}

}  // namespace

gems_status run_scan(const gems_call* call) {
  const Device* dev = device_of(call);
  if (!dev) return GEMS_UNSUPPORTED;
  ScanPlan p;
  gems_status s = plan_scan(call, *dev, &p);
  if (s != GEMS_OK || p.rows == 0 || call->it.numel == 0) return s;
  const unsigned block = unsigned(p.plan.block);
  if (p.splits == 1) {
    const Kernel* k = kernel_of(call, dev, p, p.columns ? kColumns : kRows);
    return k ? launch(call, k, p.plan.grid_x, 1, 1, block, 0, p.plan.args) : GEMS_UNSUPPORTED;
  }
  const Kernel* totals = kernel_of(call, dev, p, kTotals);
  const Kernel* middle = totals ? kernel_of(call, dev, p, kScanOfTotals) : nullptr;
  const Kernel* segments = middle ? kernel_of(call, dev, p, kSegments) : nullptr;
  if (!segments) return GEMS_UNSUPPORTED;
  void* handle = nullptr;
  const size_t width = call->compute == GEMS_F32 ? 4 : 8;
  p.args()->partial = scratch(call, size_t(p.rows) * size_t(p.splits) * width, &handle);
  if (!p.args()->partial) return failed("no device memory for partial results");
  simt::ScanArgs over = *p.args();  // the totals of one row after the other, scanned in place
  over.out = over.in = over.partial;
  over.out_step = over.in_step = 1;
  over.kept.ndim = 1;
  over.kept.size[0] = p.rows;
  over.kept.stride[0][0] = over.kept.stride[1][0] = p.splits;
  over.n = over.chunk = p.splits;
  s = launch(call, totals, p.plan.grid_x, p.plan.grid_y, 1, block, 0, p.plan.args);
  if (s == GEMS_OK) s = launch(call, middle, p.plan.grid_x, 1, 1, 256, 0, &over);
  if (s == GEMS_OK) s = launch(call, segments, p.plan.grid_x, p.plan.grid_y, 1, block, 0, p.plan.args);
  scratch_free(handle);
  return s;
}

}  // namespace gems::cuda
