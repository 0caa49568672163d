#include "core/jit/source_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <map>
#include <mutex>
#include <string>

#include "core/cache/file_io.h"

namespace gems {

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
