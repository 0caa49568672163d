// Compiled kernels on disk: one file a key under GEMS_CACHE_DIR (default $XDG_CACHE_HOME/flag_gems or ~/.cache/flag_gems).
// Every doubt is a miss; nothing here is ever an error to the caller.
#pragma once
#include <cstddef>

namespace gems {

// malloc'ed bytes that the caller frees, or nullptr. `key`: lower-case hex digits.
void* disk_cache_load(const char* key, size_t* size);
// Temporary file, fsync, rename: a reader sees a whole entry or none, also after a crash.
void disk_cache_store(const char* key, const void* data, size_t size);
// Text of DIR/NAME or DIR/include/NAME, kept for the life of the process; nullptr if it can't be read.
const char* source_from_directory(const char* dir, const char* name);

}  // namespace gems
