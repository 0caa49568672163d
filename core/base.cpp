#include "core/base.h"

#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>

namespace gems {

const char* setting(const char* name) {
  static std::mutex mutex;
  static auto* values = new std::map<std::string, std::string>;  // immortal: backends may ask during process exit
  std::lock_guard<std::mutex> lock(mutex);
  auto it = values->find(name);
  if (it == values->end()) {
    const char* v = std::getenv(name);
    it = values->emplace(name, v ? v : "").first;
  }
  return it->second.empty() ? nullptr : it->second.c_str();
}

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
