// The store that callers see: a database where there is one, and what couldn't be written to it in memory.
#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <map>
#include <mutex>
#include <set>

#include "core/tune/database.h"

namespace gems {
namespace {

using Clock = std::chrono::steady_clock;
class Store;

// Guards the set below. Fork and exit then take the stores' own locks, nobody else two of them. All live as long as the process.
std::mutex& registry() {
  static auto* m = new std::mutex;
  return *m;
}
std::set<Store*>& open_stores() {
  static auto* s = new std::set<Store*>;
  return *s;
}

class Store : public RecordStore {
 public:
  Store(std::string where, std::string problem, std::unique_ptr<Database> db, const StoreOptions& options)
      : where_(std::move(where)), problem_(std::move(problem)), options_(options), db_(std::move(db)) {
    // Neither SQLite's locks nor a server's connection survive a fork: they are closed before, and opened by whoever needs them after.
    static const int once = pthread_atfork(
        [] {
          registry().lock();
          for (Store* s : open_stores()) {
            s->mutex_.lock();
            s->disconnect();
          }
        },
        unlock_all, unlock_all);
    (void)once;
    static const int at_exit = std::atexit([] {  // SQLite folds its log into the file when the last one closes it
      std::lock_guard<std::mutex> all(registry());
      for (Store* s : open_stores())
        if (s->mutex_.try_lock()) {  // else a thread still works there: the log stays, which is as good
          s->flush_and_close();
          s->mutex_.unlock();
        }
    });
    (void)at_exit;
    {
      std::lock_guard<std::mutex> all(registry());
      open_stores().insert(this);
    }
    std::lock_guard<std::mutex> lock(mutex_);
    if (!problem_.empty()) say(problem_);
    if (db_) attempt(false, [](Database&) { return Outcome::ok; });
  }
  ~Store() override {
    std::lock_guard<std::mutex> all(registry());  // so that no fork looks at it meanwhile
    open_stores().erase(this);
    std::lock_guard<std::mutex> lock(mutex_);
    flush_and_close();
  }

  size_t put(const std::vector<TuneRecord>& batch) override {
    std::lock_guard<std::mutex> lock(mutex_);
    if (closed_) return 0;
    size_t n = 0;
    for (const TuneRecord& r : batch) {
      if (const char* why = record_defect(r)) {
        say(std::string("a record of ") + r.op + " is left out: " + why);
        continue;
      }
      TuneRecord plain = r;
      plain.spread += 0.0;  // no negative zero, whose sign some stores lose
      memory_.merge(plain);
      n++;
    }
    flush();
    return n;
  }

  std::vector<TuneRecord> all(const RecordFilter& filter) override {
    std::lock_guard<std::mutex> lock(mutex_);
    return read(filter);
  }

  std::vector<TuneRecord> winners(const TuneEnv& env, const KernelHash& current) override {
    std::vector<TuneRecord> found;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      RecordFilter f;
      f.device = env.device;
      f.driver = env.driver;
      f.compiler = env.compiler;
      f.library = env.library;
      found = read(f);
      if (found.empty()) say_mismatch(env);
    }
    std::map<std::pair<std::string, std::string>, TuneRecord> best;
    size_t other_kernels = 0;
    std::string example;
    for (TuneRecord& r : found) {
      if (current) {
        const std::string hash = current(r);
        if (!hash.empty() && hash != r.kernel_hash) {
          if (!other_kernels++) example = r.op + " " + r.candidate;
          continue;
        }
      }
      const auto at = best.try_emplace({r.op, r.bucket}, r);
      // In the order of candidates, so that the first of equals stays whatever the store.
      if (!at.second && r.median_us < at.first->second.median_us) at.first->second = std::move(r);
    }
    if (other_kernels) {
      std::lock_guard<std::mutex> lock(mutex_);
      say_once("hash", std::to_string(other_kernels) + " records were measured with other texts of their kernels (" + example +
                           ", ...) and are ignored; remedy: tune again");
    }
    std::vector<TuneRecord> out;
    out.reserve(best.size());
    for (auto& b : best) out.push_back(std::move(b.second));
    return out;
  }

  size_t erase(const RecordFilter& filter) override {
    std::lock_guard<std::mutex> lock(mutex_);
    if (closed_) return 0;
    flush();
    const size_t waiting = memory_.erase(filter);
    size_t n = 0;
    attempt(true, [&](Database& db) { return db.erase(filter, &n); });
    return n + waiting;
  }

  size_t trim(int64_t max_records, double max_age_days) override {
    std::lock_guard<std::mutex> lock(mutex_);
    if (closed_) return 0;
    const int64_t now = std::time(nullptr), newest = now + kSlackSeconds;
    const int64_t oldest = max_age_days < 0 || max_age_days > 1e6 ? INT64_MIN : now - static_cast<int64_t>(max_age_days * 86400);
    flush();
    size_t n = 0;
    if (attempt(true, [&](Database& db) { return db.trim(max_records, oldest, newest, &n); })) return n;
    return memory_.trim(max_records, oldest, newest);
  }

  std::vector<std::string> verify() override {
    std::lock_guard<std::mutex> lock(mutex_);
    std::vector<std::string> problems;
    if (closed_) return {"the store is closed"};
    flush();
    size_t damaged = 0;
    std::vector<TuneRecord> records;
    attempt(false, [&](Database& db) {
      problems.clear();
      records.clear();
      damaged = 0;
      const Outcome o = db.verify(&problems);
      return o == Outcome::ok && problems.empty() ? db.read({}, &records, &damaged) : o;
    });
    records.insert(records.end(), memory_.begin(), memory_.end());
    if (!problem_.empty()) problems.insert(problems.begin(), problem_ + "; records are kept in memory only");
    if (!repair_.empty()) problems.push_back(repair_ + "; nothing is left to do but to tune again what was lost");
    if (damaged)
      problems.push_back(std::to_string(damaged) +
                         " records are damaged (their checksum is wrong) and are ignored; remedy: flag-gems tune trim");
    const int64_t newest = std::time(nullptr) + kSlackSeconds;
    const auto late = std::count_if(records.begin(), records.end(), [&](const TuneRecord& r) { return r.date > newest; });
    if (late)
      problems.push_back(
          std::to_string(late) +
          " records are dated in the future and would win over new ones; remedy: set the clock, then flag-gems tune trim");
    return problems;
  }

  void close() override {
    std::lock_guard<std::mutex> lock(mutex_);
    flush_and_close();
  }

  std::string where() const override { return where_; }
  std::string problem() const override {
    std::lock_guard<std::mutex> lock(mutex_);
    return problem_;
  }

 private:
  static void unlock_all() {
    for (Store* s : open_stores()) s->mutex_.unlock();
    registry().unlock();
  }
  // Runs an operation of the database, opening it if need be; false if it can't be had now.
  template <class F> bool attempt(bool writes, F f) {
    if (!db_ || closed_ || (writes && read_only_) ||
        Clock::now() < (writes ? std::max(rest_until_, write_rest_until_) : rest_until_))
      return false;
    for (int tries = 0; tries < 3; tries++) {
      if (connected_ && db_->stale()) disconnect();
      Outcome o = connected_ ? Outcome::ok : db_->open();
      const bool opened = o == Outcome::ok;
      connected_ = opened;
      if (opened) o = f(*db_);
      switch (o) {
        case Outcome::ok:
          if (!read_only_ && (writes || memory_.empty())) problem_.clear();
          return true;
        case Outcome::corrupt: {
          std::vector<TuneRecord> salvaged;
          std::string text;
          const Outcome repaired = repaired_ ? Outcome::corrupt : db_->repair(&salvaged, &text);
          if (repaired == Outcome::busy) return rest(options_.busy_retry_ms);
          repaired_ = true;
          if (!text.empty()) log(2, "tuning records: " + (repair_ = text));
          connected_ = repaired == Outcome::ok;
          if (connected_) {
            for (const TuneRecord& r : salvaged) saved_.merge(r);
            if (!saved_.empty() && db_->put(saved_) == Outcome::ok) saved_.clear();
            continue;
          }
          return give_up();
        }
        case Outcome::refused: return give_up();
        case Outcome::read_only:
          if (!opened) return give_up();
          read_only_ = true;
          fail();
          return false;
        case Outcome::busy: return rest(options_.busy_retry_ms, writes);
        case Outcome::full: return rest(options_.retry_ms, writes);
        case Outcome::gone:
          // An old connection may have been cut while the server runs on: once anew, at once.
          if (opened && tries == 0) {
            disconnect();
            continue;
          }
          disconnect();
          return rest(options_.retry_ms);
      }
    }
    return give_up();
  }
  bool rest(int ms, bool only_writes = false) {  // whoever writes keeps nobody from reading
    fail();
    (only_writes ? write_rest_until_ : rest_until_) = Clock::now() + std::chrono::milliseconds(ms);
    return false;
  }
  bool give_up() {
    fail();
    disconnect();
    db_.reset();
    return false;
  }
  void fail() {
    problem_ = where_ + ": " + db_->error();
    say_once("problem", problem_ + (read_only_ ? "; it is read, and new records are kept in memory only"
                                               : "; records are kept in memory only"));
  }

  void disconnect() {
    if (db_) db_->close();
    connected_ = false;
  }
  void flush() {
    if (!memory_.empty() && attempt(true, [&](Database& db) { return db.put(memory_); })) memory_.clear();
  }
  void flush_and_close() {
    if (closed_) return;
    // A lock that wasn't given before may be free by now; a server that was gone isn't asked again, so that leaving stays quick.
    if (connected_) rest_until_ = write_rest_until_ = {};
    flush();
    if (db_ && !memory_.empty() && !read_only_)
      log(1, where_ + ": " + std::to_string(memory_.size()) + " records couldn't be written");
    disconnect();
    closed_ = true;
  }

  std::vector<TuneRecord> read(const RecordFilter& filter) {
    if (closed_) return {};
    flush();
    std::vector<TuneRecord> found;
    size_t damaged = 0;
    attempt(false, [&](Database& db) {
      found.clear();
      damaged = 0;
      return db.read(filter, &found, &damaged);
    });
    // Away with them: their dates, which may be damaged too, must not win over new records.
    if (damaged) {
      size_t n = 0;
      attempt(true, [&](Database& db) { return db.trim(-1, INT64_MIN, INT64_MAX, &n); });
      say_once("damaged", where_ + ": " + std::to_string(damaged) + " damaged records are ignored" + (n ? " and removed" : ""));
    }
    if (memory_.empty()) return found;
    RecordMap both;
    for (const TuneRecord& r : found) both.merge(r);
    // A waiting record that the filter doesn't name may still be the newer of its key.
    for (const TuneRecord& r : memory_) both.merge(r);
    return both.read(filter);
  }

  void say_mismatch(const TuneEnv& env) {
    const std::string id = "env" + env.device + '\0' + env.driver + '\0' + env.compiler + '\0' + env.library;
    if (said_.count(id)) return;
    const std::vector<TuneRecord> records = read({});
    if (records.empty()) return;
    // The nearest environment: what it has in common with this one isn't worth a word.
    std::string nearest;
    int least = 4;  // where device, driver and compiler all differ it is another kind of chip: not worth a line
    for (const TuneRecord& r : records) {
      std::string text;
      int differ = 0;
      auto compare = [&](const char* what, const std::string& theirs, const std::string& ours) {
        if (theirs == ours) return;
        if (differ++) text += ", ";
        text.append(what).append(" \"").append(theirs).append("\" instead of \"").append(ours).append("\"");
      };
      compare("device", r.device, env.device);
      compare("driver", r.driver, env.driver);
      compare("compiler", r.compiler, env.compiler);
      const bool other_kind = differ == 3;
      compare("library", r.library, env.library);
      if (!other_kind && differ < least) {
        least = differ;
        nearest = text;
      }
    }
    if (nearest.empty()) return;
    say_once(id, where_ + ": none of " + std::to_string(records.size()) + " records holds here, the nearest have " + nearest +
                     "; they are ignored; remedy: tune here (flag-gems pretune)");
  }

  void say(const std::string& text) { say_once(text, text); }
  void say_once(const std::string& id, const std::string& text) {
    if (said_.insert(id).second) log(2, "tuning records: " + text);
  }

  mutable std::mutex mutex_;
  const std::string where_;
  std::string problem_;
  const StoreOptions options_;
  std::unique_ptr<Database> db_;
  RecordMap memory_;    // all records of a store in memory; of another those that couldn't be written yet
  RecordMap saved_;     // from a damaged file, on the way into the new one
  std::string repair_;  // what was done to a damaged file
  bool connected_ = false, read_only_ = false, repaired_ = false, closed_ = false;
  Clock::time_point rest_until_{}, write_rest_until_{};
  std::set<std::string> said_;
};

bool starts_with(const std::string& s, const char* what) { return s.rfind(what, 0) == 0; }

// Without its password, which may stand before the host or among the parameters.
std::string shown(const std::string& url) {
  std::string s = url;
  const size_t user = s.find("://") + 3, host = s.rfind('@'), colon = s.find(':', user);
  if (host != std::string::npos && colon < host) s.replace(colon, host - colon, ":***");
  const size_t word = s.find("password=");
  if (word != std::string::npos) s.replace(word + 9, s.find('&', word) - word - 9, "***");
  return s;
}

}  // namespace

std::unique_ptr<RecordStore> open_records(const std::string& where, const StoreOptions& options) {
  if (where.empty() || where == ":memory:") return std::make_unique<Store>("memory", "", nullptr, options);
  const size_t scheme = where.find("://");
  std::string path = where;
  if (starts_with(where, "postgresql://") || starts_with(where, "postgres://") || starts_with(where, "postgresql+")) {
    // "postgresql+psycopg2://", as other programs name the driver they use.
    const std::string url = "postgresql" + where.substr(scheme);
    return std::make_unique<Store>(shown(url), "", postgres_database(url, options), options);
  }
  if (starts_with(where, "sqlite:///")) path = where.substr(10);
  else if (scheme != std::string::npos && where.find('/') > scheme)
    return std::make_unique<Store>(
        "memory", shown(where) + ": no such kind of database; known are postgresql:// and the path of an SQLite file", nullptr,
        options);
  const size_t slash = path.rfind('/');
  if (slash != std::string::npos && slash > 0) make_folders(path.substr(0, slash));  // where it fails, opening says so
  return std::make_unique<Store>(path, "", sqlite_database(path, options), options);
}

std::string fleet_records_place() {
  for (const char* name : {"GEMS_TUNE_DB_URL", "FLAGGEMS_DB_URL"})
    if (const char* s = setting(name)) return s;
  return "";
}
std::string machine_records_place() {
  if (const char* s = setting("GEMS_TUNE_DB")) return s;
  const std::string folder = cache_folder();
  return folder.empty() ? "" : folder + "/tune.sqlite";
}
std::string default_records_place() {
  const std::string fleet = fleet_records_place();
  return fleet.empty() ? machine_records_place() : fleet;
}

RecordStore& process_records() {
  static auto* store = open_records(default_records_place()).release();
  return *store;
}

}  // namespace gems
