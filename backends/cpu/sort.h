// Inside the CPU backend: what the operators of the sort family share.
#pragma once
#include "backends/cpu/block.h"

namespace gems::cpu {

const gems_sort_table& sort_table();

// Memory from the framework's allocator, which keeps it for the next call: fresh pages would cost as much as sorting them.
class Memory {
 public:
  ~Memory() {
    if (handle_) host->scratch_free(handle_);
  }
  char* take(size_t bytes) { return static_cast<char*>(host->scratch(GEMS_CPU, 0, bytes + 64, nullptr, &handle_)); }

 private:
  void* handle_ = nullptr;
};

// [0, n) in `parts` pieces of about the same length.
inline int64_t part(int64_t n, int64_t parts, int64_t i) { return n / parts * i + std::min(i, n % parts); }
inline int64_t parts_of(int64_t n, int64_t least) {
  const int64_t threads = host->num_threads();
  return std::clamp<int64_t>(n / least, 1, threads > 64 ? 64 : threads);
}

// n dense elements as keys (packed: with their indices), sorted by all threads; a and b: room for n each. Returns a or b.
char* sort_long(const gems_key_table& keys, bool packed, const char* in, int size, int64_t n, int descending, char* a, char* b);

gems_status run_lines(const gems_call* call);     // sort, topk, kthvalue, median, nanmedian, mode, cummax, cummin
gems_status run_distinct(const gems_call* call);  // unique, isin, bincount
gems_status run_search(const gems_call* call);    // searchsorted, bucketize, histc

}  // namespace gems::cpu
