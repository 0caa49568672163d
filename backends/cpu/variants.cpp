// Which variants a call has here: numbers of threads below the usual one, and block sizes where something is copied in blocks.
#include <cstring>

#include "backends/cpu/block.h"

namespace gems::cpu {
namespace {

gems_knobs knobs_of(const gems_op_info* op) {  // how many values each has: driver.h, matmul.cpp
  switch (static_cast<family>(op->family)) {   // {tile, unroll, block, split}
    case family::pointwise:
    case family::copy:
    case family::fused: return {0, 0, 2, 7};
    case family::reduce:
    case family::row: return {0, 0, 4, 7};
    case family::scan:
    case family::index:
    case family::create: return {0, 0, 0, 7};
    case family::matmul: return {6, 0, 0, 7};
    case family::random:
    case family::sort:
    case family::compact:
    case family::map: break;
  }
  return {0, 0, 0, 0};
}

struct Work {
  int64_t elements = 0, bytes = 0;       // of the largest operand in memory; of all
  bool dense = true, converted = false;  // converted: an input isn't in the compute type
};
Work work_of(const gems_call& c) {
  Work w;
  for (int k = 0; k < c.nout + c.nin; k++) {
    const gems_tensor& t = c.t[k];
    if (t.flags & (GEMS_T_ABSENT | GEMS_T_SCALAR)) continue;
    w.elements = std::max(w.elements, t.numel);
    w.bytes += t.numel * dtype_size(t.dtype);
    w.dense = w.dense && t.flags & GEMS_T_CONTIGUOUS;
    w.converted = w.converted || (k >= c.nout && t.dtype != c.compute);
  }
  return w;
}

// The rows of run_row at each value of `block`.
int64_t batch_at(const gems_call& c, const Work& w, int block) {
  const gems_iter& it = c.it;
  const int row = it.ndim - 1, first = c.nout;
  const bool strided = it.stride[first][row] != 1 && it.size[row] > 1;
  t_knobs.block = static_cast<uint8_t>(block);
  const int64_t batch =
      row_batch(it.size[row], row ? it.size[row - 1] : 1, !w.converted && !strided, strided, dtype_size(c.t[first].dtype));
  t_knobs.block = 0;
  return batch;
}

}  // namespace

bool declared(const gems_call* call) {
  const gems_knobs k = gems_knobs_of(call->candidate), has = knobs_of(call->op);
  return k.tile <= has.tile && k.unroll <= has.unroll && k.block <= has.block && k.split <= has.split;
}

int variants(const gems_call* call, int16_t* candidates, int cap) {
  int16_t all[32];
  int n = 0;
  const auto add = [&](int block, int split) {
    all[n++] = gems_variant({0, 0, static_cast<uint8_t>(block), static_cast<uint8_t>(split)});
  };
  const family fam = static_cast<family>(call->op->family);
  const Work w = work_of(*call);
  if (fam == family::matmul) n = matmul_variants(call, all);
  // As many threads as there are pieces worth one; a single one is the candidate "own-serial" already.
  const int64_t pieces =
      fam == family::pointwise || fam == family::copy || fam == family::fused ? w.elements / 32768 : w.bytes / kGrainBytes;
  const int64_t threads = std::min<int64_t>(pieces, host->num_threads());
  for (int split = 2; split <= 7 && int64_t{1} << (split - 1) < threads; split++) add(0, split);
  if (pieces == 0) return std::copy_n(all, std::min(n, cap), candidates) - candidates;  // it all fits the first cache
  if (fam == family::pointwise && w.dense && w.converted && std::strcmp(call->op->name, "copy")) add(1, 0), add(2, 0);
  if (fam == family::reduce && w.converted) {
    // Rows of bfloat16 have kernels that read them as they are.
    const bool rows = call->it.stride[call->nout][call->it.ndim - 1] == 1;
    if (!(call->t[call->nout].dtype == GEMS_BF16 && rows)) add(1, 0), add(2, 0), add(3, 0), add(4, 0);
  }
  if (fam == family::row)
    for (int block = 1; block <= 4; block++) {
      bool fresh = true;
      for (int other = 0; other < block; other++) fresh = fresh && batch_at(*call, w, block) != batch_at(*call, w, other);
      if (fresh) add(block, 0);
    }
  return static_cast<int>(std::copy_n(all, std::min(n, cap), candidates) - candidates);
}

}  // namespace gems::cpu
