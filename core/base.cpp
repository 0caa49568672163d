#include "core/base.h"

#include <sys/stat.h>

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

std::string cache_folder() {
  if (const char* s = setting("GEMS_CACHE_DIR")) return s;
  if (const char* x = setting("XDG_CACHE_HOME")) return std::string(x) + "/flag_gems";
  if (const char* h = setting("HOME")) return std::string(h) + "/.cache/flag_gems";
  return "";
}

bool make_folders(const std::string& path) {
  for (size_t at = 1; at <= path.size(); at++)
    if (at == path.size() || path[at] == '/') mkdir(path.substr(0, at).c_str(), 0700);  // one that can't be made is missing below
  struct stat st;
  return stat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode);
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
