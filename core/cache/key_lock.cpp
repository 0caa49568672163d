#include "core/cache/key_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <thread>

namespace gems {
namespace {

// Owners remove their lock file, so a lock counts only while the file is still the one that its name leads to.
bool still_named(int folder, const char* name, int fd) {
  struct stat a, b;
  return fstat(fd, &a) == 0 && fstatat(folder, name, &b, AT_SYMLINK_NOFOLLOW) == 0 && a.st_ino == b.st_ino &&
         a.st_dev == b.st_dev;
}

}  // namespace

KeyLock lock_key(int folder, const std::string& name, int wait_ms, const std::function<bool()>& stored) {
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + std::chrono::milliseconds(wait_ms);
  KeyLock r;
  for (auto pause = std::chrono::milliseconds(1);;) {
    if (!r.fd) r.fd = Descriptor(openat(folder, name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!r.fd) return r;
    if (flock(r.fd.get(), LOCK_EX | LOCK_NB) == 0) {
      if (!still_named(folder, name.c_str(), r.fd.get())) {
        r.fd.reset();
        if (Clock::now() < deadline) continue;
        r.turn = Turn::timed_out;
        return r;
      }
      r.turn = Turn::mine;
      if (stored()) {
        unlock_key(folder, name, &r);
        r.turn = Turn::done;
      }
      return r;
    }
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) {  // no locks on this file system
      r.fd.reset();
      return r;
    }
    r.waited = true;
    if (stored()) r.turn = Turn::done;
    else if (Clock::now() >= deadline) r.turn = Turn::timed_out;
    if (r.turn != Turn::unlocked) {
      r.fd.reset();
      return r;
    }
    std::this_thread::sleep_for(pause);
    pause = std::min(2 * pause, std::chrono::milliseconds(20));
  }
}

void unlock_key(int folder, const std::string& name, KeyLock* lock) {
  if (!lock->fd) return;
  if (still_named(folder, name.c_str(), lock->fd.get())) unlinkat(folder, name.c_str(), 0);
  flock(lock->fd.get(), LOCK_UN);  // closing alone wouldn't while a forked child has the descriptor too
  lock->fd.reset();
}

bool remove_if_unlocked(int folder, const char* name) {
  KeyLock l;
  l.fd = Descriptor(openat(folder, name, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW));
  if (!l.fd) return errno == ENOENT;
  if (flock(l.fd.get(), LOCK_EX | LOCK_NB) != 0) return false;
  unlock_key(folder, name, &l);
  return true;
}

}  // namespace gems
