// Caching allocator for CPU outputs of our operators.
#pragma once
#include <c10/core/Allocator.h>

#include <cstdint>

namespace gems::torch_binding {

c10::Allocator* cpu_allocator();          // torch's own when GEMS_CPU_ALLOCATOR=0 or the limit is 0
void allocator_set_limit(int64_t bytes);  // of idle memory kept; 0 = off
int64_t allocator_trim();                 // gives idle memory back to the system; returns bytes
struct AllocatorStats {
  int64_t cached_bytes, limit, hits, misses;
};
AllocatorStats allocator_stats();

}  // namespace gems::torch_binding
