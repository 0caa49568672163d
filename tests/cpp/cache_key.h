// Keys and contents of the kernel cache's tests.
#pragma once
#include <cstdint>
#include <cstdio>
#include <string>

namespace gems::test {

inline std::string key_name(int64_t key) {
  char s[65];
  std::snprintf(s, sizeof s, "%064llx", static_cast<unsigned long long>(key));
  return s;
}
inline std::string bytes_of(int64_t key, size_t size) {
  std::string r(size, 0);
  uint64_t x = static_cast<uint64_t>(key) * 2654435761u + size + 1;
  for (char& c : r) {
    x = x * 6364136223846793005u + 1442695040888963407u;
    c = static_cast<char>(x >> 56);
  }
  return r;
}

}  // namespace gems::test
