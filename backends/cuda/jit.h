// From a kernel's name to a launched kernel: inside the CUDA backend every family planner (plan_<family>.cpp) uses only this.
#pragma once
#include <stdint.h>

#include <string>

#include "gems/backend_abi.h"

namespace gems::cuda {

// What identifies a compiled variant on the warm path: operator id, dtypes, flags of the planner. Compared bytewise.
struct KernelKey {
  uint64_t w[3];  // w[0]: family << 56 | op id << 32 | planner flags; w[1], w[2]: dtypes (one byte an operand) and more flags
};

struct Kernel {
  void* function = nullptr;  // CUfunction
  int registers = 0, static_smem = 0;
  bool overlaps = false;      // its grids may start before the grid in front has ended
  int max_blocks_per_sm = 0;  // at `block` threads and `smem` bytes given to build()
};

// What the planner prints for a kernel that wasn't built yet. The unit that is compiled is
//   #include lines of `headers`; then   extern "C" __global__ <attributes> void gems_kernel(<args_type> a) { <body> }
struct KernelSource {
  std::string headers;     // "#include \"kernels/simt/row.cuh\"\n#include \"ops/row/softmax.op.h\"\n" (ops go into namespace op)
  std::string attributes;  // "__launch_bounds__(256)"
  std::string args_type;   // "gems::simt::RowArgs<2>": a trivially copyable struct, passed by value
  std::string body;        // "gems::simt::row<op::softmax, 256, 4, gems::bf16, gems::bf16>(a);"
  int block = 256, smem = 0;
  // When a grid may start: once the one in front on its stream has ended; or before, where the device can. Then the unit waits for
  // that end before all else, or the skeleton waits itself (common.cuh, wait_for_previous), having work that needs no memory.
  enum class Start : char { after, overlapping, skeleton_waits } start = Start::after;
  size_t args_size = 0;  // the unit static_asserts sizeof(args_type) == args_size: host and device can't drift apart
};

struct Device {  // properties of one device, read once
  int index = 0, cc_major = 0, cc_minor = 0, sm_count = 0, threads_per_sm = 2048, max_smem_per_block = 0, max_smem_per_sm = 0,
      l2_bytes = 0;
  bool overlaps = false;  // a grid may start while the one in front of it on the stream still runs
};

// The device of the call, with its context current; nullptr with the reason set (return GEMS_UNSUPPORTED) if there is none.
const Device* device_of(const gems_call* call);
// Warm look-up: lock-free, no allocation. nullptr when this variant isn't there yet.
const Kernel* find_kernel(const Device* dev, const KernelKey& key);
// The kernel is missing and this call isn't to wait for it: its compilation has been handed to a thread (GEMS_JIT=async), or is under
// way there. The reason is set; return GEMS_UNSUPPORTED.
bool deferred(const Device* dev, const KernelKey& key);
// Cold: compile through NVRTC (or take the cubin from the disk cache), load, publish under the key. nullptr (it doesn't compile, did
// fail before, or the stream is being captured): return GEMS_UNSUPPORTED, the reason is set.
const Kernel* build_kernel(const Device* dev, const KernelKey& key, const KernelSource& src);
// What a planner asks for: found, or built from source(), or nullptr with the reason set.
template <class F> const Kernel* kernel_for(const Device* dev, const KernelKey& key, F source) {
  const Kernel* k = find_kernel(dev, key);
  if (__builtin_expect(k != nullptr, 1)) return k;
  return deferred(dev, key) ? nullptr : build_kernel(dev, key, source());
}
// Asynchronous launch on call->stream.
gems_status launch(const gems_call* call, const Kernel* k, unsigned gx, unsigned gy, unsigned gz, unsigned block, unsigned smem,
                   const void* args);

// Nothing will be launched for this call: its memory may be gone, and what it writes on the host has to stay.
bool planning_only(const gems_call* call);

gems_status unsupported(const char* reason);                        // static text
gems_status failed(const std::string& text);                        // sets last_error of this thread
const char* cuda_type(int dtype);                                   // "gems::bf16", "float", "gems::i64" ... as written in a unit
void* scratch(const gems_call* call, size_t bytes, void** handle);  // device memory ordered on the call's stream
void scratch_free(void* handle);

// The family planners.
gems_status run_pointwise(const gems_call* call);
gems_status run_index(const gems_call* call);
gems_status run_create(const gems_call* call);
gems_status run_random(const gems_call* call);
gems_status run_reduce(const gems_call* call);
gems_status run_row(const gems_call* call);
gems_status run_scan(const gems_call* call);
gems_status run_matmul(const gems_call* call);
gems_status run_sort(const gems_call* call);
gems_status run_compact(const gems_call* call);
gems_status run_map(const gems_call* call);

}  // namespace gems::cuda
