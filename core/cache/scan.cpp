#include "core/cache/scan.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <ctime>

#include "core/cache/entry.h"
#include "core/cache/file_io.h"
#include "core/cache/key_lock.h"

namespace gems {
namespace {

constexpr char kTrimLock[] = ".trim";

bool is_lock(const std::string& name) {
  return name.size() == kKeyLength + sizeof kLockSuffix - 1 && name.compare(kKeyLength, std::string::npos, kLockSuffix) == 0 &&
         is_key(name.substr(0, kKeyLength).c_str());
}

int64_t nanoseconds(const struct stat& st) { return st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec; }

// f(name) for what is in the directory, but "." and "..".
template <class F> void for_each_name(int folder, F f) {
  const int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);  // a descriptor of its own: reading moves its position
  DIR* d = fd < 0 ? nullptr : fdopendir(fd);
  if (!d) {
    if (fd >= 0) close(fd);
    return;
  }
  while (const dirent* e = readdir(d))
    if (std::strcmp(e->d_name, ".") != 0 && std::strcmp(e->d_name, "..") != 0) f(e->d_name);
  closedir(d);
}

}  // namespace

Scan scan_folder(int folder, bool clean) {
  Scan r;
  std::vector<std::string> left_over;
  for_each_name(folder, [&](const char* name) {
    if (is_key(name)) {
      struct stat st;
      if (fstatat(folder, name, &st, 0) != 0 || !S_ISREG(st.st_mode)) return;
      r.entries.push_back({name, st.st_size, nanoseconds(st)});
      r.bytes += st.st_size;
    } else if (clean && (is_temporary(name) || is_lock(name))) {
      left_over.emplace_back(name);
    }
  });
  for (const std::string& name : left_over) {
    if (is_temporary(name.c_str())) remove_if_left_over(folder, name.c_str());
    else if (!remove_if_unlocked(folder, name.c_str())) r.locked.insert(name.substr(0, kKeyLength));
  }
  return r;
}

namespace {
constexpr char kMaker[] = "made-by-";
bool is_maker(const std::string& s) {
  return !s.empty() && s.size() < 64 && s.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789._-") == s.npos;
}
}  // namespace

std::vector<std::string> makers_in(int folder) {
  std::vector<std::string> r;
  for_each_name(folder, [&](const char* name) {
    if (std::strncmp(name, kMaker, sizeof kMaker - 1) == 0 && is_maker(name + sizeof kMaker - 1))
      r.emplace_back(name + sizeof kMaker - 1);
  });
  std::sort(r.begin(), r.end());
  return r;
}
bool note_maker(int folder, const std::string& maker) {
  if (!is_maker(maker)) return false;
  const Descriptor fd(openat(folder, (kMaker + maker).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
  return static_cast<bool>(fd);
}

std::vector<std::string> folders_in(int folder) {
  std::vector<std::string> r;
  for_each_name(folder, [&](const char* name) {
    struct stat st;
    if (fstatat(folder, name, &st, 0) == 0 && S_ISDIR(st.st_mode)) r.emplace_back(name);
  });
  std::sort(r.begin(), r.end());
  return r;
}

Trimmed trim_folder(int folder, int64_t limit, int64_t target, int spare_s) {
  Trimmed r;
  Descriptor lock(openat(folder, kTrimLock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (lock && flock(lock.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) return r;
  Scan s = scan_folder(folder, true);
  r.done = true;
  r.left = s.bytes;
  if (s.bytes <= limit) s.entries.clear();
  std::sort(s.entries.begin(), s.entries.end(),
            [](const ScannedEntry& a, const ScannedEntry& b) { return a.used_ns < b.used_ns; });
  const int64_t newest = (std::time(nullptr) - spare_s) * 1000000000;
  for (const ScannedEntry& e : s.entries) {
    if (r.left <= target) break;
    if (spare_s > 0 && e.used_ns > newest) break;
    if (s.locked.count(e.name)) continue;
    struct stat st;  // another process may have renewed it since the scan
    if (fstatat(folder, e.name.c_str(), &st, 0) != 0 || nanoseconds(st) != e.used_ns) continue;
    if (unlinkat(folder, e.name.c_str(), 0) != 0) continue;
    r.entries++;
    r.bytes += e.bytes;
    r.left -= e.bytes;
  }
  if (lock) flock(lock.get(), LOCK_UN);  // closing alone wouldn't while a forked child has the descriptor too
  return r;
}

}  // namespace gems
