// Compilation beside the calls (GEMS_JIT=async): a call whose kernel is missing leaves a copy of itself here and runs
// natively. A thread plans the copy again and builds what it asks for; nothing is launched.
//
// What the leaving call pays: 0.3 us for the copy, and a wake-up of a thread if all of them sleep.
#include <pthread.h>
#include <string.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <thread>

#include "backends/cuda/internal.h"
#include "backends/cuda/nvrtc.h"

namespace gems::cuda {

const char kCollect = 0;

CallCopy::CallCopy(const gems_call& c) {
  const int n = c.nout + c.nin;
  // Only what is set: the struct isn't cleared, and `it` is its larger half.
  memcpy(&call, &c, offsetof(gems_call, t) + sizeof(gems_tensor) * n);
  call.it = c.it;
  int64_t total = 0;
  for (int k = 0; k < n; k++) total += c.t[k].sizes ? 2 * c.t[k].ndim : 0;
  dims_.reset(new int64_t[total ? total : 1]);
  int64_t* to = dims_.get();
  for (int k = 0; k < n; k++) {
    if (!c.t[k].sizes) continue;
    const int nd = c.t[k].ndim;
    call.t[k].sizes = to;
    memcpy(to, c.t[k].sizes, nd * sizeof(int64_t));
    call.t[k].strides = to + nd;
    memcpy(to + nd, c.t[k].strides, nd * sizeof(int64_t));
    to += 2 * nd;
  }
  call.stream = const_cast<char*>(&kCollect);
}

namespace {

struct Job {
  DeviceState* device;
  std::unique_ptr<CallCopy> copy;
};

std::atomic<int> g_mode{-1};  // not read yet
std::atomic<bool> g_forked{false};

class Pool {
 public:
  bool push(DeviceState* s, const gems_call& call) {
    auto copy = std::make_unique<CallCopy>(call);
    std::lock_guard<std::mutex> guard(lock_);
    if (stopping_) return false;
    if (threads_.empty()) start();
    jobs_.push_back({s, std::move(copy)});
    pending_++;
    if (idle_ > 0) work_.notify_one();
    return true;
  }
  int wait(double seconds) {
    std::unique_lock<std::mutex> guard(lock_);
    const auto until = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
    done_.wait_until(guard, until, [&] { return pending_ == 0 || stopping_; });
    return pending_;
  }
  void stop() {
    {
      std::lock_guard<std::mutex> guard(lock_);
      stopping_ = true;
      jobs_.clear();
    }
    work_.notify_all();
    done_.notify_all();
    for (std::thread& t : threads_) t.join();  // at most one compilation long: 0.1 s
  }

 private:
  void start() {
    // NVRTC compiles on one core and its threads share nothing worth naming: 60 ms a kernel, so a model's forty kernels are there after
    // 0.3 s with eight threads. The callers keep the other half of the machine.
    const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
    int n = int(std::min(8u, std::max(1u, cores / 2)));
    if (const char* s = host().setting ? host().setting("GEMS_JIT_THREADS") : nullptr) n = std::max(1, atoi(s));
    nvrtc_version(nullptr);  // loaded before stop() is registered, so that its own exit handlers run after ours
    static const int once = atexit([] { Pool::get().stop(); });
    (void)once;
    for (int i = 0; i < n; i++) threads_.emplace_back([this] { loop(); });
  }
  void loop() {
    pthread_setname_np(pthread_self(), "gems-jit");
    std::unique_lock<std::mutex> guard(lock_);
    for (;;) {
      idle_++;
      work_.wait(guard, [&] { return stopping_ || !jobs_.empty(); });
      idle_--;
      if (stopping_) return;
      Job job = std::move(jobs_.front());
      jobs_.pop_front();
      guard.unlock();
      run(job);
      job.copy.reset();
      guard.lock();
      if (--pending_ == 0) done_.notify_all();
    }
  }
  static void run(Job& job) {
    // A capture anywhere in the process forbids module loading to every thread that hasn't said that it doesn't mind.
    static thread_local bool relaxed = false;
    if (!relaxed) {
      int mode = CU_STREAM_CAPTURE_MODE_RELAXED;
      driver().cuThreadExchangeStreamCaptureMode(&mode);
      relaxed = true;
    }
    driver().cuCtxSetCurrent(job.device->context);
    ThreadState& t = thread_state();
    t.call = &job.copy->call;
    dispatch(t.call);  // a kernel that can't be built is logged and retired there
    t.call = nullptr;
  }

 public:
  static Pool& get() {
    static Pool* p = new Pool;  // immortal: calls may come during process exit
    return *p;
  }

 private:
  std::mutex lock_;
  std::condition_variable work_, done_;
  std::deque<Job> jobs_;
  std::vector<std::thread> threads_;
  int pending_ = 0, idle_ = 0;
  bool stopping_ = false;
};

int mode_of_setting() {
  const char* s = host().setting ? host().setting("GEMS_JIT") : nullptr;
  if (!s || !*s || !strcmp(s, "sync")) return GEMS_JIT_SYNC;  // async becomes the default once it has run on a GPU
  if (!strcmp(s, "async")) return GEMS_JIT_ASYNC;
  if (!strcmp(s, "off")) return GEMS_JIT_OFF;
  if (host().log) host().log(2, "GEMS_JIT is none of async, sync, off: taken as sync");
  return GEMS_JIT_SYNC;
}

}  // namespace

int jit_mode(int mode) {
  int now = g_mode.load(std::memory_order_relaxed);
  if (__builtin_expect(now < 0, 0)) {
    static const int once = pthread_atfork(nullptr, nullptr, [] { g_forked.store(true, std::memory_order_relaxed); });
    (void)once;
    now = mode_of_setting();
    g_mode.store(now, std::memory_order_relaxed);
  }
  if (mode >= GEMS_JIT_OFF && mode <= GEMS_JIT_ASYNC) g_mode.store(mode, std::memory_order_relaxed);
  return now;
}

int jit_pending(double seconds) {
  if (g_forked.load(std::memory_order_relaxed)) return 0;
  return target_pending(seconds) + Pool::get().wait(seconds);
}

// A forked child has no threads (and no CUDA): its kernels stay pending, its calls native.
bool enqueue(DeviceState* s, const gems_call& call) {
  return !g_forked.load(std::memory_order_relaxed) && Pool::get().push(s, call);
}

}  // namespace gems::cuda
