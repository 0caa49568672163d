// Time marks on streams, for measuring real calls without a stall: events, recorded by the call and read later by whoever asks.
#include <algorithm>
#include <mutex>
#include <vector>

#include "backends/cuda/internal.h"

namespace gems::cuda {
namespace {

constexpr int kMostMarks = 4096;  // on the way at once in a context; more calls go unmeasured

// Immortal, one for each context; events are made when they are first needed and kept.
struct Pool;
struct Mark {
  CUevent event;
  Pool* pool;
};
struct Pool {
  CUcontext context;
  std::vector<Mark*> free;
  int made = 0;
};
std::mutex g_lock;
std::vector<Pool*>& pools() {
  static auto* v = new std::vector<Pool*>;
  return *v;
}

void put(Mark* m) {
  std::lock_guard<std::mutex> guard(g_lock);
  m->pool->free.push_back(m);
}

Mark* take(CUcontext context) {
  std::lock_guard<std::mutex> guard(g_lock);
  auto at = std::find_if(pools().begin(), pools().end(), [&](const Pool* p) { return p->context == context; });
  if (at == pools().end()) at = pools().insert(at, new Pool{context});
  Pool& p = **at;
  if (!p.free.empty()) {
    Mark* m = p.free.back();
    p.free.pop_back();
    return m;
  }
  CUevent e = nullptr;
  if (p.made >= kMostMarks || driver().cuEventCreate(&e, 0) != CUDA_SUCCESS) return nullptr;
  p.made++;
  return new Mark{e, &p};
}

// A capture anywhere in the process forbids making and asking events to every thread that hasn't said that it doesn't mind.
class Relaxed {
 public:
  Relaxed() { driver().cuThreadExchangeStreamCaptureMode(&mode_); }
  Relaxed(const Relaxed&) = delete;
  Relaxed& operator=(const Relaxed&) = delete;
  ~Relaxed() { driver().cuThreadExchangeStreamCaptureMode(&mode_); }

 private:
  int mode_ = CU_STREAM_CAPTURE_MODE_RELAXED;
};

void* recorded(const gems_call* call) {
  const Driver& d = driver();
  const auto* device = static_cast<const DeviceState*>(device_of(call));
  if (!device || capturing(call)) return nullptr;
  const Relaxed mode;
  Mark* m = take(device->context);
  if (m && d.cuEventRecord(m->event, (CUstream)call->stream) == CUDA_SUCCESS) return m;
  if (m) put(m);
  return nullptr;
}

}  // namespace

void* mark(const gems_call* call) {
  const Driver& d = driver();
  if (!d.cuEventCreate || !d.cuEventRecord || !d.cuEventQuery || !d.cuEventElapsedTime) return nullptr;
  void* m = recorded(call);
  restore_context();
  return m;
}

int elapsed(void* begin, void* end, double* microseconds) {
  auto *a = static_cast<Mark*>(begin), *b = static_cast<Mark*>(end);
  float ms = 0;
  int there = -1;
  if (b) {
    const Driver& d = driver();
    const Relaxed mode;
    CUcontext before = nullptr;
    d.cuCtxGetCurrent(&before);
    if (before != b->pool->context) d.cuCtxSetCurrent(b->pool->context);
    const CUresult r = d.cuEventQuery(b->event);
    if (r == CUDA_ERROR_NOT_READY) there = 0;
    else if (r == CUDA_SUCCESS && d.cuEventElapsedTime(&ms, a->event, b->event) == CUDA_SUCCESS) there = 1;
    if (before != b->pool->context) d.cuCtxSetCurrent(before);
  }
  if (there == 0) return 0;
  put(a);
  if (b) put(b);
  if (there == 1) *microseconds = 1e3 * ms;
  return there;
}

}  // namespace gems::cuda
