// Whole reads and writes on a file descriptor.
#pragma once
#include <unistd.h>

#include <cerrno>
#include <cstddef>

namespace gems {

inline bool read_all(int fd, void* data, size_t n) {
  for (size_t at = 0; at < n;) {
    const ssize_t r = read(fd, static_cast<char*>(data) + at, n - at);
    if (r <= 0) {
      if (r < 0 && errno == EINTR) continue;
      if (r == 0) errno = 0;  // the end came early: not the system's error
      return false;
    }
    at += static_cast<size_t>(r);
  }
  return true;
}

inline bool write_all(int fd, const void* data, size_t n) {
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

// Closes what it holds.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& o) noexcept : fd_(o.release()) {}
  Descriptor& operator=(Descriptor&& o) noexcept {
    if (this != &o) {
      reset();
      fd_ = o.release();
    }
    return *this;
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { reset(); }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() {
    const int fd = fd_;
    fd_ = -1;
    return fd;
  }
  void reset() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

}  // namespace gems
