#include "backends/cuda/nvrtc.h"

#include <dirent.h>
#include <dlfcn.h>
#include <string.h>

#include <algorithm>

#include "backends/cuda/internal.h"

namespace gems::cuda {
namespace {

typedef struct _nvrtcProgram* nvrtcProgram;

#define GEMS_NVRTC_FUNCTIONS(X)                                                                                 \
  X(nvrtcVersion, (int*, int*))                                                                                 \
  X(nvrtcGetNumSupportedArchs, (int*))                                                                          \
  X(nvrtcGetSupportedArchs, (int*))                                                                             \
  X(nvrtcCreateProgram, (nvrtcProgram*, const char*, const char*, int, const char* const*, const char* const*)) \
  X(nvrtcDestroyProgram, (nvrtcProgram*))                                                                       \
  X(nvrtcCompileProgram, (nvrtcProgram, int, const char* const*))                                               \
  X(nvrtcGetProgramLogSize, (nvrtcProgram, size_t*))                                                            \
  X(nvrtcGetProgramLog, (nvrtcProgram, char*))                                                                  \
  X(nvrtcGetCUBINSize, (nvrtcProgram, size_t*))                                                                 \
  X(nvrtcGetCUBIN, (nvrtcProgram, char*))                                                                       \
  X(nvrtcGetPTXSize, (nvrtcProgram, size_t*))                                                                   \
  X(nvrtcGetPTX, (nvrtcProgram, char*))

struct Nvrtc {
#define GEMS_MEMBER(name, params) int(*name) params = nullptr;
  GEMS_NVRTC_FUNCTIONS(GEMS_MEMBER)
#undef GEMS_MEMBER
  bool ok = false;
  std::string why, version;
  std::vector<int> archs;  // 80, 90, ... ascending
};

// Entries of `dir` that start with `prefix`, newest version (by name) first.
std::vector<std::string> libraries(const std::string& dir, const char* prefix) {
  std::vector<std::string> r;
  if (DIR* d = opendir(dir.c_str())) {
    while (dirent* e = readdir(d))
      if (!strncmp(e->d_name, prefix, strlen(prefix))) r.push_back(dir + "/" + e->d_name);
    closedir(d);
  }
  std::sort(r.rbegin(), r.rend());
  return r;
}

void* open_nvrtc() {
  // NVRTC opens libnvrtc-builtins by its bare name at the first compile and finds it only on the loader's path or when it is
  // already in the process: so it goes first, from the same folder.
  if (const char* list = host().setting ? host().setting("GEMS_NVRTC_DIRS") : nullptr) {
    for (const char* p = list; *p;) {
      const char* end = strchrnul(p, ':');
      const std::string dir(p, end);
      p = *end ? end + 1 : end;
      for (const std::string& lib : libraries(dir, "libnvrtc.so")) {
        for (const std::string& b : libraries(dir, "libnvrtc-builtins.so")) dlopen(b.c_str(), RTLD_NOW | RTLD_GLOBAL);
        if (void* h = dlopen(lib.c_str(), RTLD_NOW | RTLD_LOCAL)) return h;
      }
    }
  }
  for (const char* name : {"libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"})
    if (void* h = dlopen(name, RTLD_NOW | RTLD_LOCAL)) return h;
  return nullptr;
}

Nvrtc load() {
  Nvrtc n;
  void* lib = open_nvrtc();
  if (!lib) {
    n.why = "libnvrtc can't be opened (install nvidia-cuda-nvrtc or set GEMS_NVRTC_DIRS)";
    return n;
  }
#define GEMS_RESOLVE(name, params)                                \
  n.name = reinterpret_cast<decltype(n.name)>(dlsym(lib, #name)); \
  if (!n.name) {                                                  \
    n.why = "libnvrtc has no " #name ": too old, 12.0 is needed"; \
    return n;                                                     \
  }
  GEMS_NVRTC_FUNCTIONS(GEMS_RESOLVE)
#undef GEMS_RESOLVE
  int major = 0, minor = 0, count = 0;
  n.nvrtcVersion(&major, &minor);
  if (major < 12) {
    n.why = "NVRTC is older than 12.0 and has no C++20";
    return n;
  }
  n.version = std::to_string(major) + "." + std::to_string(minor);
  if (n.nvrtcGetNumSupportedArchs(&count) == 0 && count > 0) {
    n.archs.resize(count);
    n.nvrtcGetSupportedArchs(n.archs.data());
    std::sort(n.archs.begin(), n.archs.end());
  }
  n.ok = true;
  return n;
}

const Nvrtc& nvrtc() {
  static const Nvrtc n = load();
  return n;
}

}  // namespace

const char* nvrtc_version(const char** why) {
  const Nvrtc& n = nvrtc();
  if (why) *why = n.why.c_str();
  return n.ok ? n.version.c_str() : nullptr;
}

std::string nvrtc_arch(int cc_major, int cc_minor) {
  const int cc = cc_major * 10 + cc_minor;
  const std::vector<int>& archs = nvrtc().archs;
  if (std::find(archs.begin(), archs.end(), cc) != archs.end())
    return "sm_" + std::to_string(cc) + (cc == 90 ? "a" : "");  // 9.0: with its tensor-core and TMA instructions
  int best = 80;
  for (int a : archs)
    if (a <= cc) best = a;
  return "compute_" + std::to_string(best);
}

Compiled nvrtc_compile(const std::string& unit, const std::vector<const Header*>& headers,
                       const std::vector<std::string>& options, bool ptx) {
  Compiled r;
  const Nvrtc& n = nvrtc();
  if (!n.ok) {
    r.log = n.why;
    return r;
  }
  std::vector<const char*> names, texts, opts;
  for (const Header* h : headers) {
    names.push_back(h->name.c_str());
    texts.push_back(h->text);
  }
  for (const std::string& o : options) opts.push_back(o.c_str());
  nvrtcProgram p = nullptr;
  if (n.nvrtcCreateProgram(&p, unit.c_str(), "gems_unit.cu", (int)names.size(), texts.data(), names.data()) != 0) {
    r.log = "nvrtcCreateProgram failed";
    return r;
  }
  const int rc = n.nvrtcCompileProgram(p, (int)opts.size(), opts.data());
  size_t size = 0;
  if (n.nvrtcGetProgramLogSize(p, &size) == 0 && size > 1) {
    r.log.resize(size);
    n.nvrtcGetProgramLog(p, r.log.data());
    r.log.resize(size - 1);
  }
  if (rc == 0) {
    if ((ptx ? n.nvrtcGetPTXSize(p, &size) : n.nvrtcGetCUBINSize(p, &size)) == 0 && size > 0) {
      r.binary.resize(size);
      r.ok = (ptx ? n.nvrtcGetPTX(p, r.binary.data()) : n.nvrtcGetCUBIN(p, r.binary.data())) == 0;
    }
    if (!r.ok) r.log += "\nNVRTC returned no code";
  } else if (r.log.empty()) {
    r.log = "NVRTC error " + std::to_string(rc);
  }
  n.nvrtcDestroyProgram(&p);
  return r;
}

}  // namespace gems::cuda
