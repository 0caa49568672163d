// What lies in a cache folder, and the trim.
#pragma once
#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace gems {

struct ScannedEntry {
  std::string name;
  int64_t bytes, used_ns;  // time stamp
};
struct Scan {
  std::vector<ScannedEntry> entries;
  std::set<std::string> locked;  // keys that some process compiles now (only with `clean`)
  int64_t bytes = 0;
};
// `clean`: removes what dead processes left.
Scan scan_folder(int folder, bool clean);

// What its entries were made by: notes are empty files, which can't be torn and need no lock.
std::vector<std::string> makers_in(int folder);
bool note_maker(int folder, const std::string& maker);

// Names of the directories in it.
std::vector<std::string> folders_in(int folder);

struct Trimmed {
  int64_t entries = 0, bytes = 0;
  int64_t left = 0;   // bytes afterwards
  bool done = false;  // false: another process is at it
};
// Down to `target` bytes if there are more than `limit`; entries used within the last `spare_s` seconds and locked keys stay.
Trimmed trim_folder(int folder, int64_t limit, int64_t target, int spare_s);

}  // namespace gems
