// What the drivers of the families share inside the CPU backend; backend.cpp defines it unless said otherwise.
#pragma once
#include <string>

#include "backends/cpu/cells.h"

namespace gems::cpu {

extern const gems_host* host;
int isa();  // the instruction set that runs, as an index into the compiled ones, lowest first
const gems_cpu_cells* cells_of(const gems_op_info* op);  // of that instruction set; nullptr: not compiled in

// Both set the text of last_error().
gems_status unsupported(const char* why);  // static text
gems_status failed(const std::string& why);

// Dense blocks from one dtype to another (convert.cpp). nullptr where both are the same (memcpy) or one isn't served.
gems_convert_fn convert_fn(int src_dtype, int dst_dtype);

gems_status run_pointwise(const gems_call* call);
gems_status run_matmul(const gems_call* call);
gems_status run_reduce(const gems_call* call);
gems_status run_row(const gems_call* call);
gems_status run_scan(const gems_call* call);
gems_status run_index(const gems_call* call);
gems_status run_create(const gems_call* call);

}  // namespace gems::cpu

// The compiled instruction sets, in the order of isa(): X(v2) X(v3) X(v4).
#if GEMS_ISA_X86
#define GEMS_FOR_EACH_ISA(X) X(v2) X(v3) X(v4)
#else
#define GEMS_FOR_EACH_ISA(X) X(neon)
#endif
