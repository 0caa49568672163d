// Compiled kernels on disk, behind a backend's kernel table: the user's folder, then read-only packs. Every doubt is a miss, and nothing
// here is ever an error to a call: without a usable folder kernels live in memory only, and one log line says why.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/base.h"

namespace gems {

// `key`: 64 lower-case hex digits that say everything the result depends on.
// malloc'ed bytes that the caller frees, or nullptr.
GEMS_API void* cache_load(const char* key, size_t* size);
GEMS_API void cache_store(const char* key, const void* data, size_t size);
// Around a compile, so that processes that start together compile a key once. 1: compile it, store it, then cache_end() on the same
// thread. 0: it was stored meanwhile, load it (no cache_end). Waits for another process at most GEMS_CACHE_WAIT_MS.
GEMS_API int cache_begin(const char* key);
GEMS_API void cache_end(const char* key);

// Notes in the user's folder that entries were stored for this compiler and architecture ("nvrtc-13.5-sm_90a").
GEMS_API void cache_made_by(const char* maker);
// The i-th such note of all packs; nullptr beyond the last.
GEMS_API const char* pack_maker(int i);

// A folder of entries, or one with a subfolder "kernels" of them; only read. "" or why it isn't used.
GEMS_API std::string cache_add_pack(const std::string& dir);
// Every folder in `dir` is a pack that came with the library. Nothing is read before the first load.
GEMS_API void cache_packs_of_library(const std::string& dir);

struct CacheStats {  // of this process
  int64_t hits_user, hits_pack, misses;
  int64_t stores, stores_failed;
  int64_t compiles;  // times cache_begin said 1
  int64_t corrupt;   // damaged or foreign entries met
  int64_t waits, wait_timeouts, wait_ms;
  int64_t bytes_loaded, bytes_stored;
  int64_t trimmed;  // entries
};
struct CachePack {
  std::string folder, why;  // why it isn't used, or ""
  int64_t entries, bytes;
};
struct CacheInfo {
  std::string folder, why;  // of the user; why it isn't used, or ""
  int64_t entries, bytes, limit_bytes;
  std::vector<CachePack> packs;
  CacheStats stats;
};
GEMS_API CacheStats cache_stats();
GEMS_API CacheInfo cache_info();

struct CacheRemoved {
  int64_t entries, bytes;
};
// Both spare entries that some process is compiling right now.
GEMS_API CacheRemoved cache_clear();
GEMS_API CacheRemoved cache_trim(int64_t max_bytes);  // the least recently used go first

struct BadEntry {
  std::string path, why;
};
// Reads every entry of `dir` (a pack or cache folder), or of the user's folder and all packs. A folder that can't be used is one too.
GEMS_API std::vector<BadEntry> cache_verify(const std::string& dir = "");

}  // namespace gems
