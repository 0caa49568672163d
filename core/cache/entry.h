// One compiled kernel in one file that is named by its key: header, then the binary. The same format in the user's folder and in packs.
#pragma once
#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace gems {

constexpr size_t kKeyLength = 64;  // SHA-256 as lower-case hex digits
constexpr uint32_t kEntryVersion = 2;

bool is_key(const char* name);

enum class EntryState {
  ok,
  missing,
  refused,  // it can't be read, or others may write to it
  other,    // of another format version
  bad,      // torn, damaged or foreign
};
struct Entry {
  EntryState state = EntryState::missing;
  void* data = nullptr;  // malloc'ed, the caller's
  size_t size = 0;
  struct stat file = {};  // what was read
  std::string why;        // unless ok or missing
};

// `trusted`: owner and permission bits of the file don't matter (folder.h). `touch`: renews an old time stamp of a good entry.
Entry read_entry(int folder, const char* key, bool trusted, bool touch);
// Temporary file, fsync, rename: a reader sees a whole entry or none, also after a crash. Otherwise the reason; errno says ENOENT when
// the folder itself is gone.
bool write_entry(int folder, const char* key, const void* data, size_t size, std::string* why);
// Removes `name` if it is still the file that `seen` describes: a good entry that replaced it meanwhile stays.
void remove_if_same(int folder, const char* name, const struct stat& seen);

// Temporary files are locked by their writer; one that isn't was left by a dead process. (Where nothing can be locked: after an hour.)
bool is_temporary(const char* name);
void remove_if_left_over(int folder, const char* name);

}  // namespace gems
