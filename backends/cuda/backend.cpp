// Entry of the CUDA backend: the vtable and the way to the family planners.
#include "gems/backend_abi.h"

#include "backends/cuda/internal.h"
#include "gems/op.h"

namespace gems::cuda {

static const gems_host* g_host;
const gems_host& host() { return *g_host; }

ThreadState& thread_state() {
  static thread_local ThreadState t;
  return t;
}

// Families that this build leaves out: a planner's own definition replaces these.
#define GEMS_OPTIONAL_FAMILY(name) \
  __attribute__((weak)) gems_status name(const gems_call*) { return unsupported("this operator family isn't built for CUDA"); }
GEMS_OPTIONAL_FAMILY(run_pointwise)
GEMS_OPTIONAL_FAMILY(run_index)
GEMS_OPTIONAL_FAMILY(run_create)
GEMS_OPTIONAL_FAMILY(run_random)
GEMS_OPTIONAL_FAMILY(run_reduce)
GEMS_OPTIONAL_FAMILY(run_row)
GEMS_OPTIONAL_FAMILY(run_scan)
GEMS_OPTIONAL_FAMILY(run_matmul)
GEMS_OPTIONAL_FAMILY(run_sort)
GEMS_OPTIONAL_FAMILY(run_compact)
GEMS_OPTIONAL_FAMILY(run_map)

gems_status dispatch(const gems_call* call) {
  switch (static_cast<family>(call->op->family)) {
    case family::pointwise:
    case family::copy: return run_pointwise(call);
    case family::reduce: return run_reduce(call);
    case family::row: return run_row(call);
    case family::scan: return run_scan(call);
    case family::index: return run_index(call);
    case family::create: return run_create(call);
    case family::random: return run_random(call);
    case family::matmul: return run_matmul(call);
    case family::sort: return run_sort(call);
    case family::compact: return run_compact(call);
    case family::map: return run_map(call);
    case family::fused: return *call->op->roles ? run_row(call) : run_pointwise(call);
  }
  return unsupported("unknown operator family");
}

namespace {

gems_status run(const gems_call* call) {
  ThreadState& t = thread_state();
  if (__builtin_expect(call->candidate & GEMS_VARIANT, 0) && !declared(call))
    return unsupported("this operator's kernels have no such variant");
  t.call = call;
  const gems_status r = dispatch(call);
  t.call = nullptr;
  restore_context();
  return r;
}

int score() { return driver().ok ? 100 : 0; }

const char* last_error() { return thread_state().reason; }

const char* describe() {
  static thread_local std::string text;
  text = device_description();
  return text.c_str();
}

const char* environment(int index) {
  static thread_local std::string text;
  text = device_environment(index);
  return text.empty() ? nullptr : text.c_str();
}

const gems_backend kBackend = {
    .abi_version = GEMS_ABI_VERSION,
    .name = "cuda",
    .device_type = GEMS_CUDA,
    .op_table = nullptr,  // operators arrive as text
    .score = score,
    .run = run,
    .last_error = last_error,
    .describe = describe,
    .variant_name = nullptr,
    .force_variant = nullptr,
    .jit_mode = jit_mode,
    .jit_pending = jit_pending,
    .environment = environment,
    .variants = variants,
    .mark = mark,
    .elapsed = elapsed,
    .target = target,
};

}  // namespace
}  // namespace gems::cuda

extern "C" __attribute__((visibility("default"))) const gems_backend* gems_backend_entry(const gems_host* host) {
  if (host->abi_version != GEMS_ABI_VERSION) return nullptr;
  gems::cuda::g_host = host;
  return &gems::cuda::kBackend;
}
