// Inside the CPU backend: what the family drivers share.
#pragma once
#include <algorithm>
#include <string>

#include "kernels/simd/cells.h"
#include "gems/backend_abi.h"
#include "gems/op.h"

namespace gems::cpu {

extern const gems_host* host;
int isa();                                               // index of the instruction set in use, see isa_name()
const gems_cpu_cells* cells_of(const gems_op_info* op);  // of the instruction set in use
gems_status unsupported(const char* reason);             // static text
gems_status failed(const std::string& text);

// Dense block conversion, any served dtype to any; nullptr when the types are equal (use memcpy).
gems_convert_fn convert_fn(int src_dtype, int dst_dtype);

inline int cell_type(int compute) {
  return compute == GEMS_F32   ? GEMS_CELL_F32
         : compute == GEMS_F64 ? GEMS_CELL_F64
         : compute == GEMS_I64 ? GEMS_CELL_I64
         : compute == GEMS_I32 ? GEMS_CELL_I32
                               : GEMS_CELL_BOOL;
}

// What the variant of the call that this thread runs asks for, 0: as ever.
//   split  1 to 7: at most 1, 2, 4, ... 64 threads
//   block  row, reduce: 1 to 4: a quarter, half, twice, four times as many elements at once, as far as they go;
//          pointwise: 1, 2: 256, 512 elements at once where they are converted
//   tile   matmul.cpp
inline thread_local gems_knobs t_knobs;
inline int64_t most_threads() { return t_knobs.split ? int64_t{1} << (t_knobs.split - 1) : INT32_MAX; }
inline int64_t scaled(int64_t usual) {
  constexpr int kQuarters[] = {4, 1, 2, 8, 16};
  return usual * kQuarters[t_knobs.block] / 4;
}
bool declared(const gems_call* call);  // has the call's family each knob of its variant?
int variants(const gems_call* call, int16_t* candidates, int cap);
int matmul_variants(const gems_call* call, int16_t* candidates);                  // of the knob tile; at most 7
int64_t row_batch(int64_t n, int64_t rows, bool direct, bool strided, int size);  // rows that are loaded at once

// parallel_for with a lambda.
template <class F> void parallel(int64_t n, int64_t grain, F f) {
  if (__builtin_expect(t_knobs.split, 0)) grain = std::max(grain, (n + most_threads() - 1) / most_threads());
  host->parallel_for(
      n, grain, [](void* ctx, int64_t b, int64_t e) { (*static_cast<F*>(ctx))(b, e); }, &f);
}

// The compiled instruction sets, in the order of isa(): X(v2) X(v3) X(v4).
#if defined(GEMS_ISA_X86)
#define GEMS_FOR_EACH_ISA(X) X(v2) X(v3) X(v4)
#else
#define GEMS_FOR_EACH_ISA(X) X(neon)
#endif

// A copy whose operands are dense in different dimensions. False: it isn't one, nothing was written.
bool copy_transposed(const gems_call* call);
// embedding_dense_backward, of the index family.
gems_status embedding_gradient(const gems_call* call);
gems_status nll_loss(const gems_call* call);  // loss.cpp
gems_status nll_loss_backward(const gems_call* call);

gems_status run_pointwise(const gems_call* call);
gems_status run_reduce(const gems_call* call);
gems_status run_row(const gems_call* call);
gems_status run_scan(const gems_call* call);
gems_status run_index(const gems_call* call);
gems_status run_create(const gems_call* call);
gems_status run_random(const gems_call* call);
gems_status run_compact(const gems_call* call);
gems_status run_map(const gems_call* call);
gems_status run_matmul(const gems_call* call);
gems_status run_sort(const gems_call* call);

}  // namespace gems::cpu
