// What tuning decided, as a call sees it: operator and bucket -> candidate. An operator without decisions costs one load; one with
// them a hash of the call's geometry and a probe (10 to 20 ns, no allocation, no lock).
#pragma once
#include <string>
#include <vector>

#include "core/base.h"

namespace gems {

// Candidates that every operator has; from GEMS_VARIANT on variants of a backend's kernel (backend_abi.h, gems_knobs).
enum : int16_t {
  kCandidateNone = -1,   // nothing is decided, where that differs from a decision for the heuristic
  kCandidateAuto = 0,    // no decision: the backend's heuristic
  kCandidateNative = 1,  // the framework's kernel
  kCandidateOwn = 2,     // ours, also where the heuristic would leave the call to the native kernel
  kCandidateSerial = 3,  // the same on the calling thread alone (CPU): starting a second one costs a microsecond and more
};
GEMS_API std::string candidate_name(int16_t candidate);       // "native", "own", "own-serial", "own:tile=2,split=1"; "": unknown
GEMS_API int16_t candidate_of_name(const std::string& name);  // -1: unknown

// Calls that one decision holds for: equal operator (not part of the hash), device type, dtypes, layout classes; sizes alike.
// Matrix products: the weights' n and k exactly, rows and batch by powers of two. Others: number of elements and length of the
// innermost dimension by powers of two, rank, density.
GEMS_API uint64_t bucket_hash(const gems_call& call);
// For people and records: "bf16,bf16>bf16 16x4096x4096 #0123456789abcdef"; its last word is the hash.
GEMS_API std::string bucket_text(const gems_call& call);

struct Choice {
  std::string op;  // the operator's name
  uint64_t bucket;
  int16_t candidate;
};
// Replaces what was decided before (an empty list: nothing is decided). Names of unknown operators are skipped. Returns how many hold.
GEMS_API size_t set_choices(const std::vector<Choice>& choices);
// Adds to them; of what is decided already nothing changes. Safe beside calls. Returns how many are new.
GEMS_API size_t add_choices(const std::vector<Choice>& choices);
GEMS_API int16_t choice_for(const gems_call& call);

// While tuning: every call of this thread runs this candidate whatever was decided; kCandidateAuto ends that.
GEMS_API void force_candidate(int16_t candidate);
// While on, each call of this thread leaves itself here; returns what came since the last call.
struct TracedCall {
  std::string op, bucket;               // the bucket's text
  std::vector<std::string> candidates;  // what is worth measuring: "own", variants; "native" is always
};
GEMS_API std::vector<TracedCall> trace_buckets(bool on);
// Is a thread tracing or forcing, or are calls measured (online.h)? run() looks at it, one relaxed load.
GEMS_API bool tuning_watches();
void watch_calls(bool on);                                  // one watcher more or less
GEMS_API int16_t watched_candidate(const gems_call& call);  // of this thread, with its trace; kCandidateNone: nothing is decided

}  // namespace gems
