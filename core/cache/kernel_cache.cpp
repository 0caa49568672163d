#include "core/cache/kernel_cache.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <deque>
#include <memory>
#include <mutex>
#include <set>

#include "core/cache/entry.h"
#include "core/cache/folder.h"
#include "core/cache/key_lock.h"
#include "core/cache/scan.h"

namespace gems {
namespace {

using Directory = std::shared_ptr<const Descriptor>;
using Clock = std::chrono::steady_clock;

constexpr int kSpareSeconds = 60;  // what was used just now may be what another process is about to load

struct Counters {
  std::atomic<int64_t> hits_user{0}, hits_pack{0}, misses{0}, stores{0}, stores_failed{0}, compiles{0}, corrupt{0}, waits{0},
      wait_timeouts{0}, wait_ms{0}, bytes_loaded{0}, bytes_stored{0}, trimmed{0};
};

// What is in the folder, without a scan for each store.
struct Meter {
  std::mutex lock;
  bool scanned = false;
  int64_t known = 0, since = 0;  // bytes at the last scan, and stored by us since
  Clock::time_point when;
};

void add(std::atomic<int64_t>& counter, int64_t n = 1) { counter.fetch_add(n, std::memory_order_relaxed); }

void log_once(int level, const std::string& text) {
  static std::mutex lock;
  static auto* seen = new std::set<std::string>;
  {
    std::lock_guard<std::mutex> guard(lock);
    if (!seen->insert(text).second) return;
  }
  log(level, text);
}

int64_t number(const char* name, int64_t otherwise) {
  const char* s = setting(name);
  if (!s) return otherwise;
  char* end = nullptr;
  errno = 0;
  const int64_t n = std::strtoll(s, &end, 10);
  if (errno == 0 && end != s && *end == 0 && n >= 0 && n < (int64_t{1} << 40)) return n;
  log_once(2, std::string(name) + "=" + s + " isn't a number of 0 or more: " + std::to_string(otherwise) + " is used");
  return otherwise;
}

// Not a member: it is named at import, when a program may not have made its settings yet.
std::string& library_packs() {
  static auto* s = new std::string;
  return *s;
}

class Cache {
 public:
  Counters n;

  Cache() {
    std::string base;
    if (const char* s = setting("GEMS_CACHE_DIR")) base = s;
    else if (const char* x = setting("XDG_CACHE_HOME")) base = std::string(x) + "/flag_gems";
    else if (const char* h = setting("HOME")) base = std::string(h) + "/.cache/flag_gems";
    if (!base.empty()) user_ = std::make_unique<Folder>(absolute_path(base), false, true);
    limit_ = number("GEMS_CACHE_MAX_MB", 1024) << 20;
    wait_ms_ = static_cast<int>(std::min<int64_t>(number("GEMS_CACHE_WAIT_MS", 10000), 1 << 30));
    if (const char* s = setting("GEMS_PACK_DIRS")) {
      const std::string list = s;
      for (size_t at = 0; at < list.size();) {
        const size_t end = std::min(list.find(':', at), list.size());
        if (end > at) named_packs_.push_back(list.substr(at, end - at));
        at = end + 1;
      }
    }
  }

  // The user's directory, or nullptr; a reason other than "not there yet" is logged once.
  Directory user(bool create) {
    if (!user_) {
      if (create) log_once(1, "kernel cache: neither GEMS_CACHE_DIR nor HOME is set; kernels are kept in memory only");
      return nullptr;
    }
    std::string why;
    Directory d = user_->open(create, &why);
    if (!d && !why.empty()) log_once(2, "kernel cache isn't used, kernels are kept in memory only: " + why);
    return d;
  }
  Folder* user_folder() { return user_.get(); }
  int64_t limit() const { return limit_; }
  int wait_ms() const { return wait_ms_; }

  std::string add_pack(const std::string& dir, bool trusted) {
    auto pack = std::make_shared<Folder>(absolute_path(dir), trusted, false);
    std::string why;
    if (!pack->open(false, &why)) return why.empty() ? dir + " doesn't exist" : why;
    std::lock_guard<std::mutex> guard(lock_);
    for (const auto& p : packs_)
      if (p->base() == pack->base()) return "";
    if (const Directory d = pack->open(false, &why))
      for (const std::string& m : makers_in(d->get()))
        if (std::find(makers_.begin(), makers_.end(), m) == makers_.end()) makers_.push_back(m);
    packs_.push_back(std::move(pack));
    return "";
  }
  const char* maker(int i) {
    packs();
    std::lock_guard<std::mutex> guard(lock_);
    return i >= 0 && i < static_cast<int>(makers_.size()) ? makers_[static_cast<size_t>(i)].c_str() : nullptr;
  }
  std::vector<std::shared_ptr<Folder>> packs() {
    std::call_once(listed_, [&] {
      for (const std::string& dir : named_packs_)
        if (std::string why = add_pack(dir, false); !why.empty()) log_once(2, "pack of GEMS_PACK_DIRS isn't used: " + why);
      std::string library = library_packs();
      if (library.empty()) return;
      library += '/';
      for (const std::string& name : subfolders(library)) add_pack(library + name, true);
    });
    std::lock_guard<std::mutex> guard(lock_);
    return packs_;
  }

  // A store has added `bytes`: now and then the folder is measured and trimmed.
  void stored(const Directory& d, int64_t bytes) {
    {
      std::lock_guard<std::mutex> guard(meter_.lock);
      meter_.since += bytes;
      const auto now = Clock::now();
      const bool due = meter_.known + meter_.since > limit_ || meter_.since > limit_ / 16;
      if (meter_.scanned && (!due || now - meter_.when < std::chrono::seconds(1))) return;
      meter_.scanned = true;
      meter_.when = now;
      meter_.since = 0;
    }
    const Trimmed t = trim_folder(d->get(), limit_, limit_ / 10 * 9, kSpareSeconds);
    if (!t.done) return;  // another process does it
    add(n.trimmed, t.entries);
    std::lock_guard<std::mutex> guard(meter_.lock);
    meter_.known = t.left;
  }

 private:
  static std::vector<std::string> subfolders(const std::string& dir);

  std::unique_ptr<Folder> user_;
  int64_t limit_;
  int wait_ms_;
  std::vector<std::string> named_packs_;
  std::mutex lock_;                 // guards packs_ and makers_
  std::deque<std::string> makers_;  // only grows: callers keep pointers
  std::vector<std::shared_ptr<Folder>> packs_;
  std::once_flag listed_;
  Meter meter_;
};

std::vector<std::string> Cache::subfolders(const std::string& dir) {
  if (dir.empty()) return {};
  std::string why;
  const Descriptor fd = open_folder(absolute_path(dir), {false, true}, &why);
  return fd ? folders_in(fd.get()) : std::vector<std::string>();
}

Cache& cache() {
  static auto* c = new Cache;  // immortal: backends may ask during process exit
  return *c;
}

// Locks of this thread's compiles.
struct Held {
  std::string key;
  Directory folder;
  KeyLock lock;
};
std::vector<Held>& held() {
  static thread_local std::vector<Held> v;
  return v;
}

// Takes what read_entry gave; counts and cleans up. `folder` < 0: the entry isn't ours to remove.
void* accept(Entry* e, const std::string& path, int folder, size_t* size, std::atomic<int64_t>* hits) {
  Cache& c = cache();
  if (e->state == EntryState::ok) {
    add(*hits);
    add(c.n.bytes_loaded, static_cast<int64_t>(e->size));
    *size = e->size;
    return e->data;
  }
  if (e->state == EntryState::bad) {
    add(c.n.corrupt);
    log(1, "kernel cache entry " + path + " " + e->why + (folder >= 0 ? ": removed, it is compiled anew" : ": not used"));
  } else if (e->state == EntryState::refused) {
    log_once(2, "kernel cache entry " + path + " isn't used: " + e->why);
  }
  return nullptr;
}

}  // namespace

void* cache_load(const char* key, size_t* size) {
  if (!is_key(key)) return nullptr;
  Cache& c = cache();
  if (const Directory d = c.user(false)) {
    Entry e = read_entry(d->get(), key, false, true);
    if (void* data = accept(&e, c.user_folder()->path() + "/" + key, d->get(), size, &c.n.hits_user)) return data;
    if (e.state == EntryState::bad) remove_if_same(d->get(), key, e.file);
  }
  std::string why;
  for (const auto& pack : c.packs())
    if (const Directory d = pack->open(false, &why)) {
      Entry e = read_entry(d->get(), key, pack->trusted(), false);
      if (void* data = accept(&e, pack->path() + "/" + key, -1, size, &c.n.hits_pack)) return data;
    }
  add(c.n.misses);
  return nullptr;
}

void cache_store(const char* key, const void* data, size_t size) {
  Cache& c = cache();
  if (!is_key(key) || static_cast<int64_t>(size) > c.limit() || c.limit() == 0) return;
  std::string why;
  for (int tries = 0; tries < 3; tries++) {
    const Directory d = c.user(true);
    if (!d) break;
    if (write_entry(d->get(), key, data, size, &why)) {
      add(c.n.stores);
      add(c.n.bytes_stored, static_cast<int64_t>(size));
      c.stored(d, static_cast<int64_t>(size));
      return;
    }
    if (errno != ENOENT) {
      const bool full = errno == ENOSPC || errno == EDQUOT;  // a read-only folder is often meant to be one
      log_once(full ? 2 : 1,
               "kernel cache " + c.user_folder()->path() + " can't be written (" + why + "): kernels are kept in memory only");
      break;
    }
    c.user_folder()->forget();  // deleted under us: made again
  }
  add(c.n.stores_failed);
}

int cache_begin(const char* key) {
  Cache& c = cache();
  if (!is_key(key) || c.limit() == 0) return 1;
  KeyLock lock;
  Directory d;
  for (int tries = 0; tries < 3 && (d = c.user(true)); tries++) {
    const auto stored = [&] {
      const Entry e = read_entry(d->get(), key, false, false);
      std::free(e.data);
      return e.state == EntryState::ok;
    };
    const auto start = Clock::now();
    lock = lock_key(d->get(), std::string(key) + kLockSuffix, c.wait_ms(), stored);
    if (lock.waited) {
      add(c.n.waits);
      add(c.n.wait_ms, std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start).count());
    }
    if (lock.turn == Turn::unlocked && errno == ENOENT) {
      c.user_folder()->forget();
      continue;
    }
    break;
  }
  if (lock.turn == Turn::done) return 0;
  if (lock.turn == Turn::timed_out) add(c.n.wait_timeouts);
  add(c.n.compiles);
  if (lock.turn == Turn::mine) held().push_back({key, std::move(d), std::move(lock)});
  return 1;
}

void cache_end(const char* key) {
  std::vector<Held>& v = held();
  for (size_t i = 0; i < v.size(); i++)
    if (v[i].key == key) {
      unlock_key(v[i].folder->get(), v[i].key + kLockSuffix, &v[i].lock);
      v.erase(v.begin() + static_cast<std::ptrdiff_t>(i));
      return;
    }
}

void cache_made_by(const char* maker) {
  if (const Directory d = cache().user(false)) note_maker(d->get(), maker);
}
const char* pack_maker(int i) { return cache().maker(i); }

std::string cache_add_pack(const std::string& dir) {
  cache().packs();  // those of the environment come first
  return cache().add_pack(dir, false);
}
void cache_packs_of_library(const std::string& dir) { library_packs() = dir; }

CacheStats cache_stats() {
  const Counters& n = cache().n;
  return {n.hits_user, n.hits_pack,     n.misses,  n.stores,       n.stores_failed, n.compiles, n.corrupt,
          n.waits,     n.wait_timeouts, n.wait_ms, n.bytes_loaded, n.bytes_stored,  n.trimmed};
}

CacheInfo cache_info() {
  Cache& c = cache();
  CacheInfo r{};
  r.limit_bytes = c.limit();
  r.stats = cache_stats();
  if (Folder* user = c.user_folder()) {
    r.folder = user->path();
    if (const Directory d = user->open(false, &r.why)) {
      const Scan s = scan_folder(d->get(), false);
      r.entries = static_cast<int64_t>(s.entries.size());
      r.bytes = s.bytes;
    }
  } else {
    r.why = "neither GEMS_CACHE_DIR nor HOME is set";
  }
  for (const auto& pack : c.packs()) {
    CachePack p{};
    if (const Directory d = pack->open(false, &p.why)) {
      const Scan s = scan_folder(d->get(), false);
      p.entries = static_cast<int64_t>(s.entries.size());
      p.bytes = s.bytes;
    } else if (p.why.empty()) {
      p.why = "doesn't exist any more";
    }
    p.folder = pack->path();
    r.packs.push_back(std::move(p));
  }
  return r;
}

CacheRemoved cache_trim(int64_t max_bytes) {
  const Directory d = cache().user(false);
  if (!d) return {0, 0};
  const Trimmed t = trim_folder(d->get(), max_bytes, max_bytes, 0);
  add(cache().n.trimmed, t.entries);
  return {t.entries, t.bytes};
}
CacheRemoved cache_clear() { return cache_trim(0); }

std::vector<BadEntry> cache_verify(const std::string& dir) {
  Cache& c = cache();
  std::vector<BadEntry> r;
  const auto look = [&](Folder* f, bool may_be_missing) {
    std::string why;
    const Directory d = f->open(false, &why);
    if (!d) {
      if (!why.empty() || !may_be_missing) r.push_back({f->base(), why.empty() ? "doesn't exist" : why});
      return;
    }
    for (const ScannedEntry& s : scan_folder(d->get(), false).entries) {
      const Entry e = read_entry(d->get(), s.name.c_str(), f->trusted(), false);
      std::free(e.data);
      if (e.state != EntryState::ok && e.state != EntryState::missing) r.push_back({f->path() + "/" + s.name, e.why});
    }
  };
  if (!dir.empty()) {
    Folder f(absolute_path(dir), false, false);
    look(&f, false);
    return r;
  }
  if (c.user_folder()) look(c.user_folder(), true);
  for (const auto& pack : c.packs()) look(pack.get(), false);
  return r;
}

}  // namespace gems
