// Processes and folders of the kernel cache's tests.
#pragma once
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "tests/cpp/cache_key.h"

namespace gems::test {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

inline std::string read_file(const fs::path& p) {
  std::ifstream f(p, std::ios::binary);
  std::ostringstream o;
  o << f.rdbuf();
  return o.str();
}
inline void write_file(const fs::path& p, const std::string& bytes) {
  const int fd = open(p.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  EXPECT_GE(fd, 0) << p;
  EXPECT_EQ(write(fd, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  close(fd);
}

// cache_worker with these variables and no other GEMS_ ones. What it logs is in log().
class Worker {
 public:
  using Env = std::map<std::string, std::string>;
  explicit Worker(const Env& env, const std::function<void()>& before = {}) {
    static int serial = 0;
    log_ = fs::temp_directory_path() / ("gems-worker-" + std::to_string(getpid()) + "-" + std::to_string(serial++));
    int in[2], out[2];
    EXPECT_EQ(pipe2(in, O_CLOEXEC), 0);
    EXPECT_EQ(pipe2(out, O_CLOEXEC), 0);
    pid_ = fork();
    if (pid_ == 0) {
      dup2(in[0], 0);
      dup2(out[1], 1);
      const int err = open(log_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
      dup2(err, 2);
      for (const char* name : {"GEMS_CACHE_DIR", "GEMS_PACK_DIRS", "GEMS_CACHE_MAX_MB", "GEMS_CACHE_WAIT_MS", "XDG_CACHE_HOME"})
        unsetenv(name);
      for (const auto& e : env) e.second.empty() ? unsetenv(e.first.c_str()) : setenv(e.first.c_str(), e.second.c_str(), 1);
      if (before) before();
      execl(GEMS_CACHE_WORKER, GEMS_CACHE_WORKER, nullptr);
      _exit(127);
    }
    close(in[0]);
    close(out[1]);
    to_ = in[1];
    from_ = out[0];
  }
  ~Worker() {
    close(to_);
    if (pid_ > 0) {
      kill(pid_, SIGCONT);
      wait();
    }
    close(from_);
    unlink(log_.c_str());
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void send(const std::string& line) {
    const std::string l = line + "\n";
    EXPECT_EQ(write(to_, l.data(), l.size()), static_cast<ssize_t>(l.size())) << "the worker is gone";
  }
  std::string reply(int ms = 30000) {
    std::string r;
    for (;;) {
      struct pollfd p = {from_, POLLIN, 0};
      if (poll(&p, 1, ms) <= 0) return r + "(no answer)";
      char c;
      if (read(from_, &c, 1) != 1) return r + "(gone)";
      if (c == '\n') return r;
      r += c;
    }
  }
  std::string ask(const std::string& line) { return send(line), reply(); }
  int64_t stat(const std::string& name) {
    const std::string s = " " + ask("stats");
    const size_t at = s.find(" " + name + "=");
    return at == std::string::npos ? -1 : std::atoll(s.c_str() + at + name.size() + 2);
  }
  void signal(int s) const { kill(pid_, s); }
  // The status as of waitpid.
  int wait() {
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return status;
  }
  std::string log() const { return read_file(log_); }

 private:
  pid_t pid_;
  int to_, from_;
  fs::path log_;
};

class CacheTest : public testing::Test {
 protected:
  fs::path root, base, kernels;
  Worker::Env env;
  void SetUp() override {
    ::signal(SIGPIPE, SIG_IGN);
    char name[] = "/tmp/gems-cache-test-XXXXXX";
    root = mkdtemp(name);
    base = root / "cache";
    kernels = base / "kernels";
    env = {{"GEMS_CACHE_DIR", base.string()}};
  }
  void TearDown() override {
    for (const fs::path& m : mounts_) umount2(m.c_str(), MNT_DETACH);
    fs::remove_all(root);
  }
  fs::path entry(int64_t key) const { return kernels / key_name(key); }
  std::vector<std::string> names(const fs::path& dir) const {
    std::vector<std::string> r;
    if (fs::exists(dir))
      for (const auto& e : fs::directory_iterator(dir)) r.push_back(e.path().filename());
    return r;
  }
  // Entries but no locks or temporary files.
  int entries() const {
    int n = 0;
    for (const std::string& name : names(kernels)) n += name.size() == 64;
    return n;
  }
  int others() const { return static_cast<int>(names(kernels).size()) - entries() - fs::exists(kernels / ".trim"); }
  static void age(const fs::path& p, int64_t seconds) {
    struct timespec t[2];
    clock_gettime(CLOCK_REALTIME, &t[0]);
    t[0].tv_sec -= seconds;
    t[1] = t[0];
    EXPECT_EQ(utimensat(AT_FDCWD, p.c_str(), t, 0), 0);
  }
  static int64_t age_of(const fs::path& p) {
    struct stat st;
    EXPECT_EQ(::stat(p.c_str(), &st), 0) << p;
    return time(nullptr) - st.st_mtime;
  }
  // A small file system of our own, which goes with this process. "" or why there is none.
  std::string mount_tmpfs(const fs::path& at, const char* options) {
    if (unshare(CLONE_NEWNS) != 0) return std::string("unshare: ") + strerror(errno) + " (root is needed)";
    if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return std::string("mount: ") + strerror(errno);
    fs::create_directories(at);
    if (mount("tmpfs", at.c_str(), "tmpfs", 0, options) != 0) return std::string("mount: ") + strerror(errno);
    mounts_.push_back(at);
    return "";
  }
  std::vector<fs::path> mounts_;
};

}  // namespace gems::test
