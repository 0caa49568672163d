#include "core/cache/disk_cache.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string>

#include "core/base.h"

namespace gems {
namespace {

struct Header {
  char magic[8];  // "GEMSKRN1"
  uint64_t size;
  uint64_t checksum;
};
constexpr char kMagic[8] = {'G', 'E', 'M', 'S', 'K', 'R', 'N', '1'};

uint64_t fnv1a(const void* data,
               size_t n) {  // against torn and foreign files, not against an adversary: the folder is ours alone
  uint64_t h = 1469598103934665603ull;
  for (size_t i = 0; i < n; i++) h = (h ^ static_cast<const unsigned char*>(data)[i]) * 1099511628211ull;
  return h;
}

bool make_dirs(const std::string& path) {
  for (size_t at = 1; at <= path.size(); at++)
    if (at == path.size() || path[at] == '/') {
      const std::string part = path.substr(0, at);
      if (mkdir(part.c_str(), 0700) != 0 && errno != EEXIST) return false;
    }
  return true;
}

// The folder, or "" when there is none that is safe to use.
const std::string& folder() {
  static const auto* dir = [] {
    std::string d;
    if (const char* s = setting("GEMS_CACHE_DIR")) d = s;
    else if (const char* x = setting("XDG_CACHE_HOME")) d = std::string(x) + "/flag_gems";
    else if (const char* h = setting("HOME")) d = std::string(h) + "/.cache/flag_gems";
    if (d.empty()) return new std::string;
    d += "/kernels";
    struct stat st;
    if (!make_dirs(d) || stat(d.c_str(), &st) != 0 || !S_ISDIR(st.st_mode)) return new std::string;
    // Machine code from a folder that others can write to would run with our rights.
    if (st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH))) {
      log(2, "kernel cache " + d + " is writable by others and is not used; remedy: chmod go-w " + d);
      return new std::string;
    }
    return new std::string(d);
  }();
  return *dir;
}

bool read_all(int fd, void* data, size_t n) {
  for (size_t at = 0; at < n;) {
    const ssize_t r = read(fd, static_cast<char*>(data) + at, n - at);
    if (r <= 0) {
      if (r < 0 && errno == EINTR) continue;
      return false;
    }
    at += static_cast<size_t>(r);
  }
  return true;
}
bool write_all(int fd, const void* data, size_t n) {
  for (size_t at = 0; at < n;) {
    const ssize_t r = write(fd, static_cast<const char*>(data) + at, n - at);
    if (r < 0) {
      if (errno == EINTR) continue;
      return false;
    }
    at += static_cast<size_t>(r);
  }
  return true;
}

}  // namespace

void* disk_cache_load(const char* key, size_t* size) {
  if (folder().empty()) return nullptr;
  const std::string path = folder() + "/" + key;
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return nullptr;
  Header h;
  struct stat st;
  void* data = nullptr;
  bool good = fstat(fd, &st) == 0 && read_all(fd, &h, sizeof h) && std::memcmp(h.magic, kMagic, 8) == 0 &&
              h.size == static_cast<uint64_t>(st.st_size) - sizeof h;
  if (good) {
    data = std::malloc(h.size ? h.size : 1);
    good = data && read_all(fd, data, h.size) && fnv1a(data, h.size) == h.checksum;
  }
  close(fd);
  if (!good) {
    std::free(data);
    unlink(path.c_str());  // corrupt: gone, the caller rebuilds it
    return nullptr;
  }
  *size = h.size;
  return data;
}

void disk_cache_store(const char* key, const void* data, size_t size) {
  if (folder().empty()) return;
  static std::atomic<unsigned> serial{0};
  const std::string path = folder() + "/" + key;
  const std::string tmp = path + ".tmp" + std::to_string(getpid()) + "_" + std::to_string(serial++);
  const int fd = open(tmp.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return;
  Header h;
  std::memcpy(h.magic, kMagic, 8);
  h.size = size;
  h.checksum = fnv1a(data, size);
  bool good = write_all(fd, &h, sizeof h) && write_all(fd, data, size) && fsync(fd) == 0;
  good = close(fd) == 0 && good;
  if (!good || rename(tmp.c_str(), path.c_str()) != 0) unlink(tmp.c_str());
}

const char* source_from_directory(const char* dir, const char* name) {
  static std::mutex mutex;
  static auto* texts = new std::map<std::string, std::string>;
  std::lock_guard<std::mutex> lock(mutex);
  auto it = texts->find(name);
  if (it != texts->end()) return it->second.c_str();
  for (const char* sub : {"/", "/include/"}) {
    const int fd = open((std::string(dir) + sub + name).c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) continue;
    struct stat st;
    std::string text;
    bool good = fstat(fd, &st) == 0;
    if (good) {
      text.resize(static_cast<size_t>(st.st_size));
      good = read_all(fd, text.data(), text.size());
    }
    close(fd);
    if (good) return texts->emplace(name, std::move(text)).first->second.c_str();
  }
  return nullptr;
}

}  // namespace gems
