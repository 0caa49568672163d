// Compile every kernel that planners would ask for, without a GPU or a driver: calls with made-up addresses go through the real
// planners, whose kernels are compiled by NVRTC and reported instead of loaded. Found with dlsym by tests and tools.
#pragma once
#include <stddef.h>

#include "gems/backend_abi.h"

extern "C" {

typedef struct gems_cuda_kernel_report {
  const char* call;   // "silu bfloat16 contiguous"
  const char* body;   // the kernel's one line
  const char* error;  // nullptr: it compiled; else the reason, or why the planner refused the call
  const char* unit;   // the text that was compiled
  int refused;        // the planner returned UNSUPPORTED: no kernel was made
  int registers, spill_bytes, shared_bytes, code_bytes;
  double seconds;
  const char* key;  // in the kernel cache
  int cached;       // taken from there (GEMS_CUDA_CHECK_CACHED)
} gems_cuda_kernel_report;

// Added to a level: kernels are taken from the kernel cache and stored there as a device of that architecture would (registers and
// spills aren't reported then). This is how packs are made without a GPU.
#define GEMS_CUDA_CHECK_CACHED 256

// level 0: one storage type per compute type, layouts that matter most; 1: all storage types and layouts.
// Returns the number of kernels compiled, -1 if there is no NVRTC. Thread-safe; `report` is called on the calling thread.
typedef int (*gems_cuda_compile_check_fn)(const gems_op_info* op, int cc, int level,
                                          void (*report)(void* ctx, const gems_cuda_kernel_report*), void* ctx);
__attribute__((visibility("default"))) int gems_cuda_compile_check(const gems_op_info* op, int cc, int level,
                                                                   void (*report)(void* ctx, const gems_cuda_kernel_report*),
                                                                   void* ctx);
}
