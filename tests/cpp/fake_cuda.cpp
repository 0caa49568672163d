// A stand-in for libcuda.so.1 (same soname): no GPU, kernels don't run, everything is recorded. The CUDA backend's own dlopen finds it
// when a test has opened it first.
#include "tests/cpp/fake_cuda.h"

#include <cstring>

#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT FakeCuda* fake_cuda() {
  static FakeCuda f;
  return &f;
}
static thread_local void* t_context;

EXPORT int cuInit(unsigned) { return 0; }
EXPORT int cuGetErrorName(int e, const char** text) {
  *text = e == 1 ? "CUDA_ERROR_INVALID_VALUE" : e == 700 ? "CUDA_ERROR_ILLEGAL_ADDRESS" : "CUDA_ERROR";
  return 0;
}
EXPORT int cuGetErrorString(int, const char** text) { return *text = "an error", 0; }
EXPORT int cuDeviceGetCount(int* n) { return *n = 2, 0; }
EXPORT int cuDeviceGet(int* d, int i) { return *d = i, i < 3 ? 0 : 101; }
EXPORT int cuDeviceGetName(char* name, int n, int) { return std::strncpy(name, "Fake GPU", n), 0; }
EXPORT int cuDeviceGetAttribute(int* v, int a, int) {
  *v = a == 75 ? 9 : a == 76 ? 0 : a == 16 ? 132 : a == 38 ? 50 << 20 : a == 39 ? 2048 : 227 << 10;
  return 0;
}
EXPORT int cuDevicePrimaryCtxRetain(void** c, int d) {
  return fake_cuda()->retained++, *c = reinterpret_cast<void*>(0x100 + d), 0;
}
EXPORT int cuCtxGetCurrent(void** c) { return *c = t_context, 0; }
EXPORT int cuCtxSetCurrent(void* c) { return t_context = c, 0; }
EXPORT int cuModuleLoadData(void** m, const void* image) {
  FakeCuda& f = *fake_cuda();
  if (f.refuse_images > 0) return f.refuse_images--, 200;
  f.modules++;
  return *m = const_cast<void*>(image), 0;
}
EXPORT int cuModuleGetFunction(void** k, void*, const char* name) {
  return *k = reinterpret_cast<void*>(static_cast<long>(0x1000 + fake_cuda()->modules)),
         std::strcmp(name, "gems_kernel") ? 500 : 0;
}
EXPORT int cuFuncGetAttribute(int* v, int, void*) { return *v = 32, 0; }
EXPORT int cuFuncSetAttribute(void*, int, int) { return 0; }
EXPORT int cuOccupancyMaxActiveBlocksPerMultiprocessor(int* n, void*, int, size_t) { return *n = 8, 0; }
EXPORT int cuStreamIsCapturing(void*, int* status) { return *status = fake_cuda()->capturing, 0; }
EXPORT int cuThreadExchangeStreamCaptureMode(int* mode) {
  int& now = fake_cuda()->capture_mode;
  const int before = now;
  now = *mode;
  return *mode = before, 0;
}
// Events: a capture elsewhere forbids making and asking them in the global mode.
static void look_at_mode() {
  FakeCuda& f = *fake_cuda();
  f.forbidden += f.capturing && f.capture_mode != 2;
}
EXPORT int cuEventCreate(void** e, unsigned) {
  look_at_mode();
  fake_cuda()->events++;
  return *e = new float(0), 0;
}
EXPORT int cuEventRecord(void* e, void* stream) {
  FakeCuda& f = *fake_cuda();
  if (f.event_error) return f.event_error;
  *static_cast<float*>(e) = f.clock_ms;
  f.event_stream = stream;
  return f.event_context = t_context, 0;
}
EXPORT int cuEventQuery(void*) {
  look_at_mode();
  FakeCuda& f = *fake_cuda();
  return f.not_ready > 0 ? f.not_ready--, 600 : 0;
}
EXPORT int cuEventElapsedTime(float* ms, void* a, void* b) { return *ms = *static_cast<float*>(b) - *static_cast<float*>(a), 0; }
EXPORT int cuLaunchKernel(void* k, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned, unsigned, unsigned smem,
                          void* stream, void**, void**) {
  FakeCuda& f = *fake_cuda();
  if (f.launch_error) return f.launch_error;
  f.last = {k, stream, t_context, gx, gy, gz, bx, smem, false};
  const int i = f.launches++;
  if (f.recent) f.recent[i % 8] = f.last;
  return 0;
}
EXPORT int cuDriverGetVersion(int* v) { return *v = 13000, 0; }
struct Config {  // CUlaunchConfig, with its attributes as they lie in memory
  unsigned gx, gy, gz, bx, by, bz, smem;
  void* stream;
  struct {
    int id, pad, allowed, rest[15];
  } * attribute;
  unsigned count;
};
EXPORT int cuLaunchKernelEx(const Config* c, void* k, void** params, void** extra) {
  FakeCuda& f = *fake_cuda();
  if (f.overlap_error) return f.overlap_error;
  if (int e = cuLaunchKernel(k, c->gx, c->gy, c->gz, c->bx, c->by, c->bz, c->smem, c->stream, params, extra)) return e;
  f.last.overlaps = c->count == 1 && c->attribute->id == 6 && c->attribute->allowed == 1;
  return 0;
}
// NVRTC asks an installed driver for this and doesn't survive its absence.
EXPORT int cuGetExportTable(const void** table, const void*) { return *table = nullptr, 500; }
