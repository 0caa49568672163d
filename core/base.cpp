#include "core/base.h"

#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>

namespace gems {

namespace {
std::mutex g_mutex;
std::map<std::string, std::string>& values() {
  static auto* v = new std::map<std::string, std::string>;  // immortal: backends may ask during process exit
  return *v;
}
const std::string& read(const char* name, const std::string& otherwise) {
  std::lock_guard<std::mutex> lock(g_mutex);
  auto it = values().find(name);
  if (it == values().end()) {
    const char* v = std::getenv(name);
    it = values().emplace(name, v && *v ? v : otherwise).first;
  }
  return it->second;
}
}  // namespace

const char* setting(const char* name) {
  const std::string& v = read(name, "");
  return v.empty() ? nullptr : v.c_str();
}
void default_setting(const char* name, const std::string& value) { read(name, value); }

void log(int level, const std::string& text) {
  static const int threshold = [] {
    const char* s = setting("GEMS_LOG_LEVEL");
    return s ? std::atoi(s) : 2;
  }();
  static const char* const names[] = {"debug", "info", "warning", "error"};
  if (level < threshold) return;
  std::fprintf(stderr, "[flag_gems] %s: %s\n", names[level < 0 ? 0 : level > 3 ? 3 : level], text.c_str());
}

}  // namespace gems
