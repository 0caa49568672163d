/* The contract between the core and one kind of chip: pure C, loaded with dlopen, checked by version.
 * A backend exports one function:  const gems_backend* gems_backend_entry(const gems_host* host);
 * It may be called once per process; `host` outlives the process. */
#ifndef GEMS_BACKEND_ABI_H
#define GEMS_BACKEND_ABI_H
#include <stddef.h>
#include <stdint.h>

#include "gems/status.h"
#include "gems/tensor_ref.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GEMS_ABI_VERSION 4
#define GEMS_MAX_OPERANDS 10 /* outputs and inputs of one call */
#define GEMS_MAX_DIMS 12     /* of an iteration space after collapsing; more: unsupported */
#define GEMS_MAX_PARS 8
#define GEMS_PLANNED_DEVICE 127 /* device_index of tensors without memory: gems_backend::target */

/* One operator as the registry holds it; `id` is its index there. Strings are static. */
typedef struct gems_op_info {
  const char* name;   /* "silu" */
  const char* header; /* "ops/pointwise/silu.op.h": what a compiled unit includes */
  const char* aten;
  const char* types;
  const char* choices;
  const char* missing;
  const char* roles;
  const char* schema;
  const char* doc;
  double rel, abs, lo, hi;
  uint32_t nopromote;
  int32_t id;
  uint8_t family, rule, in, par, out, wide, promote, slots;
} gems_op_info;

/* The iteration space of a call, made by the core's planner: broadcast, sorted and collapsed.
 * Dimensions [0, ndim - nred) are kept, the last `nred` are reduced (reduce), normalised (row) or scanned (scan);
 * innermost (fastest) last in each group. Strides in elements of each operand; 0 where an operand is broadcast. */
typedef struct gems_iter {
  int64_t numel; /* product of all sizes */
  int64_t size[GEMS_MAX_DIMS];
  int64_t stride[GEMS_MAX_OPERANDS][GEMS_MAX_DIMS];
  int32_t ndim, nred;
  int32_t contiguous; /* ndim - nred <= 1 and every non-scalar operand is dense in it (pointwise: stride 1 or SCALAR) */
} gems_iter;

/* One call. t[0, nout) are outputs, t[nout, nout + nin) inputs, in the order of the declaration.
 * Only the first nout + nin tensors, npar numbers and ndim entries of `it` are set: the struct isn't cleared. */
typedef struct gems_call {
  const gems_op_info* op;
  void* stream; /* the framework's current stream on the device; NULL on the CPU */
  int32_t nout, nin, npar;
  int8_t compute;    /* gems_dtype in which the functor computes: F32, F64, I64, I32 or BOOL */
  int8_t common;     /* pointwise: the promoted gems_dtype; set if an operand has GEMS_T_VIA */
  int16_t candidate; /* what tuning chose: 0 nothing (heuristic), 2 the backend's own kernel even where it would decline, from
                        GEMS_VARIANT on a variant of it: gems_knobs_of() */
  gems_scalar par[GEMS_MAX_PARS]; /* .d if compute is floating, else .i; families document theirs */
  gems_tensor t[GEMS_MAX_OPERANDS];
  gems_iter it;
} gems_call;

/* A variant of a backend's kernel: values of up to four knobs, which the core reads only to name them in records
 * ("own:tile=2,split=1"). 0: as the heuristic has it; 1 to 7: what the backend's planner of the operator's family says. */
#define GEMS_VARIANT 0x4000
typedef struct gems_knobs {
  uint8_t tile;   /* what one thread or block takes at once: vector width, tile of a product, threads of a row */
  uint8_t unroll; /* packs in flight, stages of a pipeline */
  uint8_t block;  /* threads of a block (GPU), elements of a block (CPU) */
  uint8_t split;  /* into how many parts one result's work is divided (GPU); how many threads share the call (CPU) */
} gems_knobs;
static inline int16_t gems_variant(gems_knobs k) {
  return (int16_t)(GEMS_VARIANT | (k.tile & 7) | (k.unroll & 7) << 3 | (k.block & 7) << 6 | (k.split & 7) << 9);
}
static inline gems_knobs gems_knobs_of(int16_t candidate) {
  gems_knobs k = {0, 0, 0, 0};
  if (candidate & GEMS_VARIANT) {
    k.tile = (uint8_t)(candidate & 7);
    k.unroll = (uint8_t)(candidate >> 3 & 7);
    k.block = (uint8_t)(candidate >> 6 & 7);
    k.split = (uint8_t)(candidate >> 9 & 7);
  }
  return k;
}
/* Does the candidate name our kernel, where the backend's heuristic would leave the call to the native one too? */
static inline int gems_own(int16_t candidate) { return candidate == 2 || (candidate & GEMS_VARIANT) != 0; }

/* What the core (and through it the framework) lends to a backend. */
typedef struct gems_host {
  uint32_t abi_version;
  /* Runs fn(ctx, begin, end) over [0, n) in pieces of at least `grain`; may run serially (fork child, nested). */
  void (*parallel_for)(int64_t n, int64_t grain, void (*fn)(void* ctx, int64_t begin, int64_t end), void* ctx);
  int (*num_threads)(void);
  /* Scratch memory on a device, ordered on `stream`; freed by scratch_free with the same handle. NULL when there is none. */
  void* (*scratch)(int device_type, int device_index, size_t bytes, void* stream, void** handle);
  void (*scratch_free)(void* handle);
  /* Kernel cache on disk. load returns malloc'ed bytes or NULL; key: 64 lower-case hex digits (SHA-256). */
  void* (*cache_load)(const char* key, size_t* size);
  void (*cache_store)(const char* key, const void* data, size_t size);
  /* Text of an embedded kernel source by its include name ("kernels/simt/pointwise.cuh"), or NULL; source_name(i) lists them. */
  const char* (*source)(const char* name);
  const char* (*source_name)(int i);
  void (*log)(int level, const char* text); /* 0 debug, 1 info, 2 warning, 3 error */
  const char* (*setting)(const char* name); /* one reader of the environment: "GEMS_..." or NULL */
  /* Around a compile, between load and store, on one thread; processes that start together then compile a key once.
   * begin 1: compile, store, end. 0: another process has stored it meanwhile: load it (no end). Waits for it a bounded time. */
  int (*cache_begin)(const char* key);
  void (*cache_end)(const char* key);
  /* Compiler and architecture ("nvrtc-13.5-sm_90a") are part of a key. cache_made_by() notes in the folder what its entries were stored
   * for; pack_maker(i) is the i-th note of the read-only packs, NULL beyond the last: other keys under which a pack may hold a kernel. */
  void (*cache_made_by)(const char* maker);
  const char* (*pack_maker)(int i);
  /* Has the call of this thread no other kernel (an operator of our own)? Then it waits for its compilation in GEMS_JIT=async too. */
  int (*only_kernel)(void);
} gems_host;

/* A kernel that a target needs (gems_backend::target). */
typedef struct gems_planned {
  const char *kernel, *key; /* "add"; its key in the kernel cache */
  const char* error;        /* NULL: compiled, or taken from the cache */
  int state; /* 0: a call asks for it (each time, on its thread); then once, on any: 1 from the cache, 2 compiled, 3 failed */
  double seconds;
} gems_planned;

typedef struct gems_backend {
  uint32_t abi_version;
  const char* name; /* "cpu", "cuda" */
  int32_t device_type;
  const char* op_table; /* hash of the operator table it was built with; NULL when it needs none */
  int (*score)(void);   /* 0: unusable here. Cheap: no device call at import */
  /* Runs the call (asynchronously on its stream). UNSUPPORTED before anything was written. On FAILED last_error() says why. */
  gems_status (*run)(const gems_call* call);
  const char* (*last_error)(void); /* of this thread; also the reason of UNSUPPORTED, never NULL */
  /* (optional) description for `doctor` and reports: "AVX-512", "NVIDIA H200, sm_90, NVRTC 13.0" */
  const char* (*describe)(void);
  /* (optional) names of the implementation variants (instruction sets), and forcing one for tests; -1 = best */
  const char* (*variant_name)(int i);
  int (*force_variant)(int i);
  /* (optional) run-time compilation. jit_mode(mode) sets GEMS_JIT_OFF.. and returns what was set before; -1 only asks.
   * jit_pending(seconds): how many calls wait for their kernel to be compiled, after waiting until there are none, for this
   * long at most. */
  int (*jit_mode)(int mode);
  int (*jit_pending)(double seconds);
  /* (optional) where a measurement on a device holds: three lines (device, driver, compiler); NULL: unknown. Valid until the
   * thread's next call. */
  const char* (*environment)(int device_index);
  /* (optional) writes the variants of its kernel that are worth measuring for this planned call beside the heuristic's own (which
   * isn't among them), at most `cap`; returns how many. Launches and compiles nothing. */
  int (*variants)(const gems_call* call, int16_t* candidates, int cap);
  /* (optional) for measuring real calls without a stall: mark() leaves a time mark on the call's stream (NULL: not now, it is being
   * captured) and reads nothing of the call but stream and t[0]'s device; elapsed() takes two of them back: 1 with the time between
   * them, 0 not there yet (ask again), -1 lost. Without an end it only takes the begin back. From any thread. */
  void* (*mark)(const gems_call* call);
  int (*elapsed)(void* begin, void* end, double* microseconds);
  /* (optional) packs for machines that aren't here: until target(NULL, ..), run() of this thread plans calls on GEMS_PLANNED_DEVICE
   * for a device of architecture `arch` ("sm_90a") and launches nothing; threads compile what they need into the kernel cache
   * (jit_pending counts it). An architecture comes in several models, whose sizes may lead to other kernels: returns how many there
   * are, 0 with last_error() if arch is unknown; `model` < that is planned for. `report` outlives the process. */
  int (*target)(const char* arch, int model, void (*report)(const gems_planned*));
} gems_backend;

/* What a call does whose kernel isn't compiled: OFF takes it from the cache or runs natively, SYNC
 * compiles in the call, ASYNC (default) runs natively while a thread compiles. */
enum { GEMS_JIT_OFF = 0, GEMS_JIT_SYNC = 1, GEMS_JIT_ASYNC = 2 };

typedef const gems_backend* (*gems_backend_entry_fn)(const gems_host* host);

#ifdef __cplusplus
}
#endif
#endif
