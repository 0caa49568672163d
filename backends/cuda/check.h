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
// Added to a level: of each operator only its first call that has at least 8 variants (gems_backend.variants), in those with one knob.
#define GEMS_CUDA_CHECK_VARIANTS 512

typedef int (*gems_cuda_compile_check_fn)(const gems_op_info* op, int cc, int level,
                                          void (*report)(void* ctx, const gems_cuda_kernel_report*), void* ctx);
__attribute__((visibility("default"))) int gems_cuda_compile_check(const gems_op_info* op, int cc, int level,
                                                                   void (*report)(void* ctx, const gems_cuda_kernel_report*),
                                                                   void* ctx);

// What a call would launch as its candidate says, in order; no kernel is compiled. Returns how many launches (at most `cap` are
// written), -1 if the planner refuses the call: last_error() of the backend says why.
typedef struct gems_cuda_launch {
  uint64_t kernel[3];  // its key: equal for equal kernels
  unsigned grid[3], block, shared;
} gems_cuda_launch;
typedef int (*gems_cuda_plan_fn)(const gems_call* call, gems_cuda_launch* launches, int cap);
__attribute__((visibility("default"))) int gems_cuda_plan(const gems_call* call, gems_cuda_launch* launches, int cap);
}
