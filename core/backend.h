// Backends: loading through the C ABI and running calls.
#pragma once
#include <atomic>
#include <vector>

#include "core/base.h"

namespace gems {

// What a framework lends the core; every member may be null. Set once, before the first call.
struct Framework {
  void (*parallel_for)(int64_t n, int64_t grain, void (*fn)(void* ctx, int64_t begin, int64_t end), void* ctx) = nullptr;
  int (*num_threads)() = nullptr;
  void* (*scratch)(int device_type, int device_index, size_t bytes, void* stream, void** handle) = nullptr;
  void (*scratch_free)(void* handle) = nullptr;
};
GEMS_API void set_framework(const Framework& f);
GEMS_API int framework_threads();  // of a parallel region entered now

// dlopen; no device is touched. false and a logged reason when the file is missing, foreign or of another ABI.
GEMS_API bool load_backend(const char* path);
// The usable backend of a device type; nullptr if there is none (asks score() once).
GEMS_API const gems_backend* backend_for(int device_type);
GEMS_API std::vector<const gems_backend*> loaded_backends();
// gems_backend::target of the first backend that knows the architecture, for this thread; nullptr ends it. How many models there are; 0
// and last_error() if there is no such backend. Meanwhile the backend is the thread's for its device type, also where it is unusable.
GEMS_API int plan_for(const char* arch, int model, void (*report)(const gems_planned*));

// Runs a planned call on the backend of t[0]'s device and counts it. The reason of UNSUPPORTED and the text of FAILED: last_error().
GEMS_API gems_status run(gems_call& call);  // sets call.candidate
GEMS_API const char* last_error();
// While one lives, this thread's calls have no kernel but ours: they compile it even if GEMS_JIT says that calls don't wait.
class GEMS_API OnlyKernel {
 public:
  OnlyKernel();
  ~OnlyKernel();
  OnlyKernel(const OnlyKernel&) = delete;
  OnlyKernel& operator=(const OnlyKernel&) = delete;
};

// Own kernels run since load (a native fallback doesn't count).
GEMS_API std::atomic<int64_t>& call_counter();

// True in a child made by fork: thread pools of the parent don't exist there, everything runs serially.
GEMS_API bool in_forked_child();

}  // namespace gems
