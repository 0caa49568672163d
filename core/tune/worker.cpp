#include "core/tune/worker.h"

#include <pthread.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <thread>

#include "core/tune/records.h"

namespace gems {
namespace {

using Clock = std::chrono::steady_clock;

class Worker {
 public:
  void push(std::function<void()> job) {
    std::lock_guard<std::mutex> guard(lock_);
    if (stopping_) return;
    jobs_.push_back(std::move(job));
    wake();
  }
  void poll(int (*f)()) {
    std::lock_guard<std::mutex> guard(lock_);
    if (stopping_) return;
    poll_ = f;
    due_ = Clock::now();
    polling_ = true;
    wake();
  }
  void stop() {
    {
      std::lock_guard<std::mutex> guard(lock_);
      stopping_ = true;
      jobs_.clear();
    }
    work_.notify_all();
    if (thread_.joinable()) thread_.join();
  }

 private:
  void wake() {
    if (!thread_.joinable()) thread_ = std::thread([this] { loop(); });
    else work_.notify_one();
  }
  void loop() {
    pthread_setname_np(pthread_self(), "gems-tune");
    std::unique_lock<std::mutex> guard(lock_);
    for (;;) {
      const auto ready = [&] { return stopping_ || !jobs_.empty() || (polling_ && Clock::now() >= due_); };
      if (polling_) work_.wait_until(guard, due_, ready);
      else work_.wait(guard, ready);
      if (stopping_) break;
      if (!jobs_.empty()) {
        const std::function<void()> job = std::move(jobs_.front());
        jobs_.pop_front();
        guard.unlock();
        job();
        guard.lock();
      } else if (polling_ && Clock::now() >= due_) {
        const Clock::time_point began = due_;
        guard.unlock();
        const int ms = poll_();
        guard.lock();
        if (due_ != began) continue;  // asked for anew meanwhile
        polling_ = ms >= 0;
        due_ = Clock::now() + std::chrono::milliseconds(ms);
      }
    }
    int (*const last)() = poll_;
    guard.unlock();
    if (last) last();
  }

  std::mutex lock_;
  std::condition_variable work_;
  std::deque<std::function<void()>> jobs_;
  std::thread thread_;
  int (*poll_)() = nullptr;
  Clock::time_point due_{};
  bool polling_ = false, stopping_ = false;
};

std::atomic<Worker*> g_worker{nullptr};

// Immortal: calls may come during process exit. A forked child leaves the parent's where it is.
Worker& worker() {
  static const int once = [] {
    open_records("");  // its exit handler closes all stores: registered before ours, it runs after ours
    pthread_atfork(nullptr, nullptr, [] { g_worker.store(nullptr); });
    return std::atexit([] {
      if (Worker* w = g_worker.load()) w->stop();
    });
  }();
  (void)once;
  Worker* w = g_worker.load();
  if (!w) {
    auto* mine = new Worker;
    if (g_worker.compare_exchange_strong(w, mine)) return *mine;
    delete mine;
  }
  return *w;
}

}  // namespace

void in_background(std::function<void()> job) { worker().push(std::move(job)); }
void poll_in_background(int (*f)()) { worker().poll(f); }

}  // namespace gems
