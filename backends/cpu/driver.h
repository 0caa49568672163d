// Inside the CPU backend: what the family drivers share.
#pragma once
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

// parallel_for with a lambda.
template <class F> void parallel(int64_t n, int64_t grain, F f) {
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

gems_status run_pointwise(const gems_call* call);
gems_status run_reduce(const gems_call* call);
gems_status run_row(const gems_call* call);
gems_status run_scan(const gems_call* call);
gems_status run_index(const gems_call* call);
gems_status run_create(const gems_call* call);
gems_status run_compact(const gems_call* call);
gems_status run_map(const gems_call* call);
gems_status run_matmul(const gems_call* call);

}  // namespace gems::cpu
