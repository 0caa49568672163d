#include "backends/cuda/driver.h"

#include <dlfcn.h>

namespace gems::cuda {

static Driver open_driver() {
  Driver d;
  void* lib = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!lib) {
    d.why = "libcuda.so.1 can't be opened: no NVIDIA driver on this machine";
    return d;
  }
#define GEMS_RESOLVE(name, params)                                  \
  d.name = reinterpret_cast<decltype(d.name)>(dlsym(lib, #name));   \
  if (!d.name) {                                                    \
    d.why = "libcuda.so.1 has no " #name ": the driver is too old"; \
    return d;                                                       \
  }
  GEMS_CUDA_DRIVER_FUNCTIONS(GEMS_RESOLVE)
#undef GEMS_RESOLVE
#define GEMS_RESOLVE(name, params) d.name = reinterpret_cast<decltype(d.name)>(dlsym(lib, #name));
  GEMS_CUDA_OPTIONAL_FUNCTIONS(GEMS_RESOLVE)
#undef GEMS_RESOLVE
  d.ok = true;
  return d;
}

const Driver& driver() {
  static const Driver d = open_driver();
  return d;
}

const char* Driver::name(CUresult r) const {
  const char* text = nullptr;
  if (cuGetErrorName) cuGetErrorName(r, &text);
  return text ? text : "unknown CUDA error";
}

}  // namespace gems::cuda
