// A mutex (one for each Tag) that a fork takes and gives back on both sides: the child would never get it from a thread that isn't there.
// For short sections that take no other lock.
#pragma once
#include <pthread.h>

#include <mutex>

namespace gems {

template <class Tag> std::mutex& fork_mutex() {
  static std::mutex mutex;
  static const int once = pthread_atfork([] { mutex.lock(); }, [] { mutex.unlock(); }, [] { mutex.unlock(); });
  (void)once;
  return mutex;
}

}  // namespace gems
