// Tuning over real calls (GEMS_TUNE=online; docs/design.md, "Online tuning"): each call of an undecided bucket runs one candidate between
// two time marks; what they say is collected later, and nothing ever waits.
#pragma once
#include "core/tune/choices.h"
#include "core/tune/records.h"

namespace gems {

struct OnlineOptions {
  int calls = 3;                    // of a bucket before it is worth measuring
  int samples = 7;                  // of a candidate before it may win
  bool background = true;           // a thread collects; else whoever calls online_collect()
  std::vector<std::string> stores;  // where records go (open_records)
};
// From now on, in this process (never in a forked child). Starts afresh: what was measured and isn't decided is forgotten.
GEMS_API void online_start(const OnlineOptions& options);
GEMS_API void online_stop();  // decisions stay
// Where measurements on a type of device hold. Without: decisions are made, but not recorded.
GEMS_API void online_environment(int device_type, const TuneEnv& env);
// Takes the times that are there, decides what can be decided and records it. Returns how many times it took.
GEMS_API size_t online_collect();
struct OnlineState {
  size_t buckets = 0, measuring = 0, decided = 0;  // seen; being measured; decided here
  int64_t samples = 0;                             // calls that were measured
};
GEMS_API OnlineState online_state();

// ---- run()'s side ----
struct OnlineBucket;
struct OnlineSample {
  OnlineBucket* bucket = nullptr;
  const gems_backend* backend = nullptr;
  void* mark = nullptr;  // or begin_ns
  int64_t begin_ns = 0;
  int candidate = -1;  // position in the bucket; -1: only counted
  void* stream = nullptr;
  int8_t device_type = 0, device_index = 0;
};
// What an undecided call runs; the sample is open if it has a bucket.
GEMS_API int16_t online_begin(const gems_call& call, const gems_backend* backend, OnlineSample& sample);
// After our kernel. A native one is still to come: park.
GEMS_API void online_end(OnlineSample& sample, gems_status status);
GEMS_API void online_park(const OnlineSample& sample);

// ---- the framework's side: around the native kernel that runs instead of ours, while tuning_watches() ----
class GEMS_API OnlineNative {
 public:
  explicit OnlineNative(const gems_op_info* op);  // whose kernel it replaces
  OnlineNative(const OnlineNative&) = delete;
  OnlineNative& operator=(const OnlineNative&) = delete;
  ~OnlineNative();  // without done() (an exception) nothing was measured
  void done();

 private:
  OnlineSample sample_;
};
// While it lives calls of this thread aren't measured: several of them make one of the framework's, so that its native kernel's time
// stands for none of them.
class GEMS_API OnlinePause {
 public:
  OnlinePause();
  OnlinePause(const OnlinePause&) = delete;
  OnlinePause& operator=(const OnlinePause&) = delete;
  ~OnlinePause();
};

}  // namespace gems
