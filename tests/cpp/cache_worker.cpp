// A process that uses the kernel cache, for cache_test.cpp. Reads commands from stdin, one a line, and answers each with one line:
//   load KEY | store KEY BYTES | begin KEY | end KEY | stats | trim BYTES | clear | verify [DIR] | pack DIR | library DIR | folder | exit
//   fill FIRST COUNT FROM MS FILE   load or "compile" COUNT keys, from key FIRST + FROM on; a compile sleeps MS and appends the key's number to FILE
//   hammer COUNT BYTES    loads and stores random ones of COUNT keys until it is killed
//   time COUNT BYTES      microseconds a store and a load
// KEY is a number; an entry's bytes follow from its key and its size, so that a reader can tell right from wrong.
#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <sstream>
#include <string>
#include <thread>

#include "core/cache/kernel_cache.h"
#include "tests/cpp/cache_key.h"

namespace {

using gems::test::bytes_of;
using gems::test::key_name;

const char* look_up(int64_t key) {
  size_t size = 0;
  void* data = gems::cache_load(key_name(key).c_str(), &size);
  if (!data) return "miss";
  const std::string want = bytes_of(key, size);
  const bool right = std::memcmp(data, want.data(), size) == 0;
  std::free(data);
  return right ? "hit" : "WRONG";
}
void store(int64_t key, size_t size) {
  const std::string b = bytes_of(key, size);
  gems::cache_store(key_name(key).c_str(), b.data(), size);
}

std::string fill(std::istream& in) {
  int64_t first, count, from;
  int ms;
  std::string file;
  in >> first >> count >> from >> ms >> file;
  const int fd = open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  for (int64_t i = 0; i < count; i++) {
    const int64_t key = first + (from + i) % count;
    std::string got = look_up(key);
    if (got == "miss" && !gems::cache_begin(key_name(key).c_str())) {
      got = look_up(key);
      if (got != "hit") return "stored meanwhile, but " + got;
    } else if (got == "miss") {
      std::this_thread::sleep_for(std::chrono::milliseconds(ms));
      const std::string line = std::to_string(key) + "\n";
      if (write(fd, line.data(), line.size()) != static_cast<ssize_t>(line.size())) return "can't count";
      store(key, 20000);
      gems::cache_end(key_name(key).c_str());
      got = "hit";
    }
    if (got != "hit") return got;
  }
  close(fd);
  return "ok";
}

void hammer(std::istream& in) {
  int64_t count;
  size_t size;
  in >> count >> size;
  unsigned seed = static_cast<unsigned>(getpid());
  for (;;) {
    const int64_t key = rand_r(&seed) % count;
    const std::string got = look_up(key);
    if (got == "WRONG") _exit(7);
    if (got == "miss" && gems::cache_begin(key_name(key).c_str())) {
      store(key, size);
      gems::cache_end(key_name(key).c_str());
    } else if (rand_r(&seed) % 4 == 0) {
      store(key, size);
    }
  }
}

std::string time_of(std::istream& in) {
  int count;
  size_t size;
  in >> count >> size;
  const auto us = [&](auto f) {
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < count; i++) f(i);
    return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count() / count;
  };
  const std::string b = bytes_of(1, size);
  const double stored = us([&](int i) { gems::cache_store(key_name(i).c_str(), b.data(), size); });
  const double loaded = us([&](int i) {
    size_t n;
    std::free(gems::cache_load(key_name(i).c_str(), &n));
  });
  const double missed = us([&](int i) {
    size_t n;
    std::free(gems::cache_load(key_name(count + i).c_str(), &n));
  });
  return std::to_string(stored) + " " + std::to_string(loaded) + " " + std::to_string(missed);
}

std::string stats() {
  const gems::CacheStats s = gems::cache_stats();
  std::ostringstream o;
  o << "user=" << s.hits_user << " pack=" << s.hits_pack << " miss=" << s.misses << " store=" << s.stores
    << " failed=" << s.stores_failed << " compile=" << s.compiles << " corrupt=" << s.corrupt << " wait=" << s.waits
    << " timeout=" << s.wait_timeouts << " trimmed=" << s.trimmed;
  return o.str();
}

std::string answer(const std::string& command, std::istream& in) {
  int64_t key = 0;
  std::string text;
  if (command == "load") return in >> key, look_up(key);
  if (command == "store") {
    size_t size;
    in >> key >> size;
    store(key, size);
    return "ok";
  }
  if (command == "begin") return in >> key, std::to_string(gems::cache_begin(key_name(key).c_str()));
  if (command == "end") return in >> key, gems::cache_end(key_name(key).c_str()), "ok";
  if (command == "stats") return stats();
  if (command == "trim") return in >> key, std::to_string(gems::cache_trim(key).entries);
  if (command == "clear") return std::to_string(gems::cache_clear().entries);
  if (command == "verify") {
    in >> text;
    std::string r;
    for (const gems::BadEntry& b : gems::cache_verify(text)) r += b.path + " " + b.why + "; ";
    return r.empty() ? "good" : r;
  }
  if (command == "pack") {
    in >> text;
    const std::string why = gems::cache_add_pack(text);
    return why.empty() ? "ok" : why;
  }
  if (command == "library") return in >> text, gems::cache_packs_of_library(text), "ok";
  if (command == "folder") {
    const gems::CacheInfo i = gems::cache_info();
    return std::to_string(i.entries) + " " + std::to_string(i.bytes) + " " + i.folder + " " + i.why;
  }
  if (command == "fill") return fill(in);
  if (command == "hammer") return hammer(in), "";
  if (command == "time") return time_of(in);
  return "unknown command";
}

}  // namespace

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream in(line);
    std::string command;
    in >> command;
    if (command == "exit") break;
    std::cout << answer(command, in) << std::endl;
  }
  return 0;
}
