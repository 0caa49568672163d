// One process at a time compiles a key. A lock file beside the entry, locked with flock: the kernel gives the lock of a dead process
// back, in whatever way it died and in whichever container it ran.
#pragma once
#include <functional>
#include <string>

#include "core/cache/file_io.h"

namespace gems {

constexpr char kLockSuffix[] = ".lock";

enum class Turn {
  mine,       // compile, the lock is held
  done,       // `stored` said yes
  unlocked,   // compile without a lock: nothing can be locked here
  timed_out,  // compile without a lock: its owner takes too long
};
struct KeyLock {
  Turn turn = Turn::unlocked;
  Descriptor fd;
  bool waited = false;
};

// Blocks at most `wait_ms`. `stored`: whether somebody has stored the entry meanwhile; asked while it waits and once the lock is held.
KeyLock lock_key(int folder, const std::string& name, int wait_ms, const std::function<bool()>& stored);
void unlock_key(int folder, const std::string& name, KeyLock* lock);
// Removes the lock file of a dead process; false if it is held.
bool remove_if_unlocked(int folder, const char* name);

}  // namespace gems
