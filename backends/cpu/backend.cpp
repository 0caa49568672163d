// Entry of the CPU backend: the choice of the instruction set and the switch over families.
#include <atomic>
#include <string>

#include "backends/cpu/driver.h"
#include "op_hash.h"

#include "op_table.inc"

// The cells of every operator in every instruction set, each an object of a unit compiled for that set; in the order of the table.
#if defined(GEMS_ISA_X86)
#define GEMS_DECLARE(n, header) extern "C" const gems_cpu_cells gems_##n##_v2, gems_##n##_v3, gems_##n##_v4;
#define GEMS_COUNT_ISA 3
#else
#define GEMS_DECLARE(n, header) extern "C" const gems_cpu_cells gems_##n##_neon;
#define GEMS_COUNT_ISA 1
#endif
GEMS_OPS(GEMS_DECLARE)

namespace gems::cpu {
namespace {

#define GEMS_CELLS_V2(n, header) &gems_##n##_v2,
#define GEMS_CELLS_V3(n, header) &gems_##n##_v3,
#define GEMS_CELLS_V4(n, header) &gems_##n##_v4,
#define GEMS_CELLS_NEON(n, header) &gems_##n##_neon,
#if defined(GEMS_ISA_X86)
const gems_cpu_cells* const kCellsV2[] = {GEMS_OPS(GEMS_CELLS_V2)};
const gems_cpu_cells* const kCellsV3[] = {GEMS_OPS(GEMS_CELLS_V3)};
const gems_cpu_cells* const kCellsV4[] = {GEMS_OPS(GEMS_CELLS_V4)};
const gems_cpu_cells* const* const kCells[] = {kCellsV2, kCellsV3, kCellsV4};
const char* const kIsaNames[] = {"baseline (x86-64-v2)", "AVX2", "AVX-512"};

int detect() {
  __builtin_cpu_init();
  if (__builtin_cpu_supports("x86-64-v4")) return 2;
  if (__builtin_cpu_supports("x86-64-v3")) return 1;
  return __builtin_cpu_supports("x86-64-v2") ? 0 : -1;
}
#else
const gems_cpu_cells* const kCellsNeon[] = {GEMS_OPS(GEMS_CELLS_NEON)};
const gems_cpu_cells* const* const kCells[] = {kCellsNeon};
const char* const kIsaNames[] = {"NEON"};

int detect() { return 0; }
#endif

int best_isa() {
  static const int best = detect();
  return best;
}
std::atomic<int> g_isa{-1};
thread_local std::string t_error;
thread_local const char* t_reason = "";

gems_status dispatch(const gems_call* call) {
  switch (static_cast<family>(call->op->family)) {
    case family::pointwise:
    case family::copy:
    case family::fused: return run_pointwise(call);
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
  }
  return unsupported("family");
}

gems_status run(const gems_call* call) {
  if (__builtin_expect(!(call->candidate & GEMS_VARIANT), 1)) return dispatch(call);
  if (!declared(call)) return unsupported("this operator's kernels have no such variant");
  const struct Turned {
    explicit Turned(gems_knobs k) { t_knobs = k; }
    ~Turned() { t_knobs = {}; }  // memory may run out in between
  } turned(gems_knobs_of(call->candidate));
  return dispatch(call);
}

int score() { return best_isa() >= 0 ? 1 : 0; }
const char* last_error() { return t_reason; }
const char* describe() { return kIsaNames[isa()]; }
const char* variant_name(int i) { return i >= 0 && i <= best_isa() ? kIsaNames[i] : nullptr; }
int force_variant(int i) {
  if (i > best_isa()) return 0;
  g_isa.store(i < 0 ? best_isa() : i, std::memory_order_relaxed);
  return 1;
}

const gems_backend kBackend = {
    .abi_version = GEMS_ABI_VERSION,
    .name = "cpu",
    .device_type = GEMS_CPU,
    .op_table = GEMS_OP_TABLE_HASH,
    .score = score,
    .run = run,
    .last_error = last_error,
    .describe = describe,
    .variant_name = variant_name,
    .force_variant = force_variant,
    .jit_mode = nullptr,
    .jit_pending = nullptr,
    .environment = nullptr,
    .variants = variants,
    .mark = nullptr,
    .elapsed = nullptr,
};

}  // namespace

const gems_host* host = nullptr;

int isa() {
  const int i = g_isa.load(std::memory_order_relaxed);
  return i;
}
const gems_cpu_cells* cells_of(const gems_op_info* op) { return kCells[isa()][op->id]; }

gems_status unsupported(const char* reason) {
  t_reason = reason;
  return GEMS_UNSUPPORTED;
}
gems_status failed(const std::string& text) {
  t_error = text;
  t_reason = t_error.c_str();
  return GEMS_FAILED;
}

}  // namespace gems::cpu

extern "C" __attribute__((visibility("default"))) const gems_backend* gems_backend_entry(const gems_host* host) {
  if (host->abi_version != GEMS_ABI_VERSION) return nullptr;
  gems::cpu::host = host;
  gems::cpu::g_isa.store(gems::cpu::best_isa(), std::memory_order_relaxed);
  return &gems::cpu::kBackend;
}
