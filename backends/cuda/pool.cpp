// Compilation beside the calls (GEMS_JIT=async): a call whose kernel is missing leaves a copy of itself here and runs
// natively. A thread plans the copy again and builds what it asks for; nothing is launched.
//
// What the leaving call pays: 0.3 us for the copy; once a process it starts a thread.
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

std::atomic<int> g_mode{-1};  // not read yet
std::atomic<bool> g_forked{false};

class Pool {
 public:
  // Wakes nobody: that is a system call, 20 us and more for the caller on virtual machines. The watcher looks in.
  bool push(const gems_call& call) {
    auto copy = std::make_unique<CallCopy>(call);
    std::lock_guard<std::mutex> guard(lock_);
    if (stopping_) return false;
    if (!watcher_.joinable()) watcher_ = std::thread([this] { watch(); });
    jobs_.push_back(std::move(copy));
    pending_++;
    return true;
  }
  int wait(double seconds) {
    std::unique_lock<std::mutex> guard(lock_);
    if (seconds <= 0) return pending_;
    work_.notify_all();
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
    look_.notify_all();
    done_.notify_all();
    if (watcher_.joinable()) watcher_.join();
    for (std::thread& t : workers_) t.join();  // at most one compilation long: 0.1 s
  }
  static Pool& get() {
    static Pool* p = new Pool;  // immortal: calls may come during process exit
    return *p;
  }

 private:
  // NVRTC compiles on one core and its threads share nothing worth naming: 60 ms a kernel, so a model's forty kernels are there after
  // 0.3 s with eight threads. The callers keep the other half of the machine.
  static int size() {
    if (const char* s = host().setting ? host().setting("GEMS_JIT_THREADS") : nullptr) return std::max(1, atoi(s));
    return int(std::min(8u, std::max(1u, std::thread::hardware_concurrency() / 2)));
  }
  // Looks for jobs every half millisecond while some came lately, then ever less often, at least fifty times a second. What it
  // finds is begun at most 20 ms late, of 60 for a compilation.
  void watch() {
    pthread_setname_np(pthread_self(), "gems-jit-watch");
    using ms = std::chrono::duration<double, std::milli>;
    nvrtc_version(nullptr);  // loaded before stop() is registered, so that its own exit handlers run after ours
    static const int once = atexit([] { Pool::get().stop(); });
    (void)once;
    const int most = size();
    std::unique_lock<std::mutex> guard(lock_);
    for (double period = 0.5; !stopping_; period = std::min(20.0, period * 1.1)) {
      if (!jobs_.empty()) {
        period = 0.5;
        while ((int)workers_.size() < std::min(most, pending_)) workers_.emplace_back([this] { loop(); });
        work_.notify_all();
      }
      look_.wait_for(guard, ms(period), [this] { return stopping_; });
    }
  }
  void loop() {
    pthread_setname_np(pthread_self(), "gems-jit");
    std::unique_lock<std::mutex> guard(lock_);
    for (;;) {
      work_.wait(guard, [&] { return stopping_ || !jobs_.empty(); });
      if (stopping_) return;
      std::unique_ptr<CallCopy> job = std::move(jobs_.front());
      jobs_.pop_front();
      guard.unlock();
      run(*job);
      job.reset();
      guard.lock();
      if (--pending_ == 0) done_.notify_all();
    }
  }
  static void run(const CallCopy& copy) {
    // A capture anywhere in the process forbids module loading to every thread that hasn't said that it doesn't mind.
    static thread_local bool relaxed = false;
    if (!relaxed) {
      int mode = CU_STREAM_CAPTURE_MODE_RELAXED;
      driver().cuThreadExchangeStreamCaptureMode(&mode);
      relaxed = true;
    }
    ThreadState& t = thread_state();
    t.call = &copy.call;
    dispatch(t.call);  // opens the device if need be; a kernel that can't be built is logged and retired there
    t.call = nullptr;
    t.restore = nullptr;  // this thread serves whatever device comes
  }

  std::mutex lock_;
  std::condition_variable work_, look_, done_;
  std::deque<std::unique_ptr<CallCopy>> jobs_;
  std::thread watcher_;
  std::vector<std::thread> workers_;
  int pending_ = 0;
  bool stopping_ = false;
};

int mode_of_setting() {
  const char* s = host().setting ? host().setting("GEMS_JIT") : nullptr;
  if (!s || !*s || !strcmp(s, "async")) return GEMS_JIT_ASYNC;
  if (!strcmp(s, "sync")) return GEMS_JIT_SYNC;
  if (!strcmp(s, "off")) return GEMS_JIT_OFF;
  if (host().log) host().log(2, "GEMS_JIT is none of async, sync, off: taken as async");
  return GEMS_JIT_ASYNC;
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
bool enqueue(const gems_call& call) { return !g_forked.load(std::memory_order_relaxed) && Pool::get().push(call); }

}  // namespace gems::cuda
