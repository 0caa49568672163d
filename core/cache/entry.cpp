#include "core/cache/entry.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "core/cache/checksum.h"
#include "core/cache/file_io.h"
#include "core/cache/folder.h"

namespace gems {
namespace {

constexpr char kMagic[8] = {'G', 'E', 'M', 'S', 'K', 'R', 'N', 'L'};
constexpr char kTemporary[] = ".tmp-";
constexpr int kHour = 3600;

struct Header {
  char magic[8];
  uint32_t version;
  uint32_t header_size;
  uint64_t size;         // of the binary that follows
  char key[kKeyLength];  // a file under another entry's name isn't that entry
  uint64_t checksum;     // over the header up to here, and the binary
};
static_assert(sizeof(Header) == 96, "the format on disk");

uint64_t checksum(const Header& h, const void* data) {
  return Checksum::combine(Checksum::of(&h, offsetof(Header, checksum)), Checksum::of(data, h.size));
}

std::string what_is_wrong(const Header& h, const Entry& e, const char* key) {
  if (std::memcmp(h.magic, kMagic, sizeof kMagic) != 0) return "isn't a kernel cache entry";
  if (h.header_size != sizeof h || h.size != e.size) return "is cut short, or longer than its header says";
  if (checksum(h, e.data) != h.checksum) return "has a wrong checksum";
  if (std::memcmp(h.key, key, kKeyLength) != 0) return "holds the entry of another key";
  return "";
}

}  // namespace

bool is_key(const char* name) {
  size_t n = 0;
  for (; name[n]; n++)
    if (n == kKeyLength || !((name[n] >= '0' && name[n] <= '9') || (name[n] >= 'a' && name[n] <= 'f'))) return false;
  return n == kKeyLength;
}

Entry read_entry(int folder, const char* key, bool trusted, bool touch) {
  Entry e;
  const auto end = [&](EntryState s, std::string why) {
    std::free(e.data);
    e.data = nullptr;
    e.state = s;
    e.why = std::move(why);
    return e;
  };
  const Descriptor fd(openat(folder, key, O_RDONLY | O_CLOEXEC | O_NONBLOCK));  // a pipe of that name doesn't block
  if (!fd) return errno == ENOENT ? e : end(EntryState::refused, std::strerror(errno));
  if (fstat(fd.get(), &e.file) != 0) return end(EntryState::refused, std::strerror(errno));
  if (!S_ISREG(e.file.st_mode)) return end(EntryState::refused, "isn't a file");
  if (!trusted)
    if (std::string why = unsafe(e.file, key, false); !why.empty()) return end(EntryState::refused, std::move(why));
  Header h;
  if (static_cast<uint64_t>(e.file.st_size) < sizeof h) return end(EntryState::bad, "is shorter than a header");
  e.size = static_cast<size_t>(e.file.st_size) - sizeof h;
  e.data = std::malloc(e.size ? e.size : 1);
  if (!e.data) return end(EntryState::refused, "no memory");
  if (!read_all(fd.get(), &h, sizeof h) || !read_all(fd.get(), e.data, e.size))
    return errno ? end(EntryState::refused, std::strerror(errno)) : end(EntryState::bad, "is cut short");
  const bool other = h.version != kEntryVersion && std::memcmp(h.magic, kMagic, sizeof kMagic) == 0;
  if (other) return end(EntryState::other, "has format version " + std::to_string(h.version));
  if (std::string why = what_is_wrong(h, e, key); !why.empty()) return end(EntryState::bad, std::move(why));
  const time_t age = std::time(nullptr) - e.file.st_mtime;
  if (touch && (age > kHour || age < -kHour)) futimens(fd.get(), nullptr);  // read-only: its rank in the trim stays, nothing else
  e.state = EntryState::ok;
  return e;
}

bool write_entry(int folder, const char* key, const void* data, size_t size, std::string* why) {
  Header h;
  std::memcpy(h.magic, kMagic, sizeof kMagic);
  h.version = kEntryVersion;
  h.header_size = sizeof h;
  h.size = size;
  std::memcpy(h.key, key, kKeyLength);
  h.checksum = checksum(h, data);
  const auto failed = [&](const char* what) {
    const int error = errno;
    *why = std::string(what) + ": " + std::strerror(error);
    errno = error;
    return false;
  };
  struct rlimit limit;  // beyond it a write is a signal that ends the process
  if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < size + sizeof h) {
    errno = EFBIG;
    return failed("limit of file sizes");
  }
  static std::atomic<unsigned> serial{0};
  std::string name;
  Descriptor fd;
  for (int tries = 0; tries < 8; tries++) {
    // Processes in containers that share a folder may have the same number: the clock tells them apart, O_EXCL the rest.
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    name = kTemporary + std::to_string(getpid()) + "-" + std::to_string(now.tv_nsec) + "-" + std::to_string(serial++);
    fd = Descriptor(openat(folder, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!fd && errno != EEXIST) return failed("no file can be made");
    if (!fd) continue;
    const bool taken = flock(fd.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    struct stat st;
    if (!taken && fstat(fd.get(), &st) == 0 && st.st_nlink > 0) break;
    fd.reset();  // somebody who cleans up came before the lock and takes it for a dead process' file
  }
  if (!fd) {
    errno = EEXIST;
    return failed("no file can be made");
  }
  const bool good = write_all(fd.get(), &h, sizeof h) && write_all(fd.get(), data, size) && fsync(fd.get()) == 0 &&
                    renameat(folder, name.c_str(), folder, key) == 0;
  if (good) return true;
  const int error = errno;
  unlinkat(folder, name.c_str(), 0);
  errno = error;
  return failed("can't be written");
}

void remove_if_same(int folder, const char* name, const struct stat& seen) {
  struct stat now;
  if (fstatat(folder, name, &now, AT_SYMLINK_NOFOLLOW) == 0 && now.st_ino == seen.st_ino && now.st_dev == seen.st_dev)
    unlinkat(folder, name, 0);
}

bool is_temporary(const char* name) { return std::strncmp(name, kTemporary, sizeof kTemporary - 1) == 0; }

void remove_if_left_over(int folder, const char* name) {
  const Descriptor fd(openat(folder, name, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW));
  struct stat st;
  if (!fd || fstat(fd.get(), &st) != 0) return;
  const bool locked = flock(fd.get(), LOCK_EX | LOCK_NB) == 0;
  if (!locked && (errno == EWOULDBLOCK || std::time(nullptr) - st.st_mtime < kHour)) return;
  remove_if_same(folder, name, st);
}

}  // namespace gems
