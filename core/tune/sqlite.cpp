// Records in an SQLite file. The library is opened with dlopen, so that building and importing need none.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <iterator>
#include <thread>

#include "core/tune/database.h"

// What we use of sqlite3.h.
struct sqlite3;
struct sqlite3_stmt;

namespace gems {
namespace {

enum {
  kOk = 0,
  kError = 1,
  kPerm = 3,
  kBusy = 5,
  kLocked = 6,
  kReadonly = 8,
  kCorrupt = 11,
  kFull = 13,
  kCantOpen = 14,
  kProtocol = 15,
  kSchema = 17,
  kNotADb = 26,
  kRow = 100,
  kDone = 101,
  kReadonlyDbMoved = kReadonly | 4 << 8,
  kOpenReadonly = 1,
  kOpenReadWrite = 2,
  kOpenCreate = 4,
  kOpenUri = 0x40,
  kOpenNoMutex = 0x8000,
};
using Destructor = void (*)(void*);

#define GEMS_SQLITE_FUNCTIONS(X)                                                                    \
  X(int, sqlite3_libversion_number, ())                                                             \
  X(int, sqlite3_threadsafe, ())                                                                    \
  X(int, sqlite3_open_v2, (const char*, sqlite3**, int, const char*))                               \
  X(int, sqlite3_close_v2, (sqlite3*))                                                              \
  X(int, sqlite3_busy_timeout, (sqlite3*, int))                                                     \
  X(int, sqlite3_exec, (sqlite3*, const char*, int (*)(void*, int, char**, char**), void*, char**)) \
  X(int, sqlite3_prepare_v2, (sqlite3*, const char*, int, sqlite3_stmt**, const char**))            \
  X(int, sqlite3_step, (sqlite3_stmt*))                                                             \
  X(int, sqlite3_reset, (sqlite3_stmt*))                                                            \
  X(int, sqlite3_finalize, (sqlite3_stmt*))                                                         \
  X(int, sqlite3_bind_text, (sqlite3_stmt*, int, const char*, int, Destructor))                     \
  X(int, sqlite3_bind_double, (sqlite3_stmt*, int, double))                                         \
  X(int, sqlite3_bind_int64, (sqlite3_stmt*, int, long long))                                       \
  X(const unsigned char*, sqlite3_column_text, (sqlite3_stmt*, int))                                \
  X(int, sqlite3_column_bytes, (sqlite3_stmt*, int))                                                \
  X(double, sqlite3_column_double, (sqlite3_stmt*, int))                                            \
  X(long long, sqlite3_column_int64, (sqlite3_stmt*, int))                                          \
  X(int, sqlite3_changes, (sqlite3*))                                                               \
  X(int, sqlite3_extended_errcode, (sqlite3*))                                                      \
  X(const char*, sqlite3_errmsg, (sqlite3*))

struct Api {
  std::string why;  // it can't be used; "" if it can
#define GEMS_MEMBER(result, name, params) result(*name) params = nullptr;
  GEMS_SQLITE_FUNCTIONS(GEMS_MEMBER)
#undef GEMS_MEMBER
};

Api open_api() {
  Api a;
  void* lib = dlopen("libsqlite3.so.0", RTLD_NOW | RTLD_LOCAL);
  if (!lib) {
    a.why = "libsqlite3.so.0 can't be opened (Debian: apt-get install libsqlite3-0)";
    return a;
  }
#define GEMS_RESOLVE(result, name, params)                        \
  a.name = reinterpret_cast<decltype(a.name)>(dlsym(lib, #name)); \
  if (!a.name) {                                                  \
    a.why = "libsqlite3.so.0 has no " #name;                      \
    return a;                                                     \
  }
  GEMS_SQLITE_FUNCTIONS(GEMS_RESOLVE)
#undef GEMS_RESOLVE
  if (a.sqlite3_libversion_number() < 3024000) a.why = "libsqlite3.so.0 is older than 3.24";
  if (!a.sqlite3_threadsafe()) a.why = "libsqlite3.so.0 was built without threads";
  return a;
}
const Api& api() {
  static const auto* a = new Api(open_api());
  return *a;
}

constexpr int kApplicationId = 0x47454d53;  // "GEMS"
constexpr const char* kTable = "records";
constexpr const char* kSchema1 =
    "CREATE TABLE tune_version (version INTEGER NOT NULL);"
    "INSERT INTO tune_version VALUES (1);"
    // Without rowid the key's tree is the table: no index that could disagree with it.
    "CREATE TABLE records (device TEXT NOT NULL, driver TEXT NOT NULL, compiler TEXT NOT NULL, library TEXT NOT NULL, op TEXT "
    "NOT NULL,"
    " bucket TEXT NOT NULL, candidate TEXT NOT NULL, kernel_hash TEXT NOT NULL, median_us REAL NOT NULL, spread REAL NOT NULL,"
    " count INTEGER NOT NULL, date INTEGER NOT NULL, checksum INTEGER NOT NULL,"
    " PRIMARY KEY (device, driver, compiler, library, op, bucket, candidate)) WITHOUT ROWID;";

// WAL shares an index through mapped memory, which two hosts of a network file system don't.
bool on_network(const std::string& path) {
  const size_t slash = path.rfind('/');
  struct statfs s;
  if (statfs(slash == std::string::npos ? "." : path.substr(0, slash + 1).c_str(), &s) != 0) return false;
  for (const unsigned type : {0x6969u, 0xff534d42u, 0xfe534d42u, 0x517bu, 0x65735546u, 0x00c36400u, 0x0bd00bd0u, 0x47504653u,
                              0x19830326u, 0x01021997u, 0x5346414fu})  // NFS, SMB x 3, FUSE, Ceph, Lustre, GPFS, BeeGFS, 9p, AFS
    if (static_cast<unsigned>(s.f_type) == type) return true;
  return false;
}

class Statement {
 public:
  Statement(sqlite3* db, const std::string& sql) { code_ = api().sqlite3_prepare_v2(db, sql.c_str(), -1, &s_, nullptr); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  ~Statement() { api().sqlite3_finalize(s_); }
  int prepared() const { return code_; }
  // The caller keeps the text until the statement ran.
  void bind(int at, const std::string& v) { api().sqlite3_bind_text(s_, at, v.data(), static_cast<int>(v.size()), nullptr); }
  void bind(int at, double v) { api().sqlite3_bind_double(s_, at, v); }
  void bind(int at, int64_t v) { api().sqlite3_bind_int64(s_, at, v); }
  int step() { return code_ == kOk ? api().sqlite3_step(s_) : code_; }
  void reset() { api().sqlite3_reset(s_); }
  std::string text(int i) {
    const auto* p = reinterpret_cast<const char*>(api().sqlite3_column_text(s_, i));
    return p ? std::string(p, static_cast<size_t>(api().sqlite3_column_bytes(s_, i))) : "";
  }
  double real(int i) { return api().sqlite3_column_double(s_, i); }
  int64_t integer(int i) { return api().sqlite3_column_int64(s_, i); }

 private:
  sqlite3_stmt* s_ = nullptr;
  int code_;
};

class Sqlite : public Database {
 public:
  Sqlite(std::string path, const StoreOptions& options) : path_(std::move(path)), options_(options) {}
  ~Sqlite() override { close_handle(); }

  Outcome open() override {
    if (!api().why.empty()) {
      error_ = api().why;
      return Outcome::refused;
    }
    close_handle();
    Outcome o = open_file(path_, kOpenReadWrite | kOpenCreate | kOpenNoMutex);
    if (o == Outcome::gone || o == Outcome::read_only) {
      // A file in WAL mode in a folder where no -shm can be made. Nobody writes where nobody can, so it may be read as it lies.
      const std::string why = error_;
      if (access(path_.c_str(), R_OK) == 0 && access(path_.c_str(), W_OK) != 0) {
        o = open_file("file:" + escaped(path_) + "?immutable=1", kOpenReadonly | kOpenUri | kOpenNoMutex);
        immutable_ = o == Outcome::ok;
      }
      if (o != Outcome::ok) error_ = why;
    }
    if (o != Outcome::ok) close_handle();
    return o;
  }
  void close() override { close_handle(); }

  bool stale() override {
    struct stat st;
    return stat(path_.c_str(), &st) != 0 || st.st_ino != inode_ || st.st_dev != device_;
  }

  Outcome put(const RecordMap& batch) override {
    return transaction([&] { return insert(batch); });
  }

  Outcome read(const RecordFilter& f, std::vector<TuneRecord>* out, size_t* damaged) override {
    return outcome(rows(f, " ORDER BY " + std::string(kKeyColumns), out, damaged));
  }

  Outcome erase(const RecordFilter& f, size_t* n) override {
    return transaction([&] {
      std::vector<const std::string*> values;
      Statement s(db_, std::string("DELETE FROM ") + kTable + where_sql(f, '?', &values));
      for (size_t i = 0; i < values.size(); i++) s.bind(static_cast<int>(i) + 1, *values[i]);
      const int rc = s.step();
      *n = rc == kDone ? static_cast<size_t>(api().sqlite3_changes(db_)) : 0;
      return rc;
    });
  }

  Outcome trim(int64_t max_records, int64_t oldest, int64_t newest, size_t* n) override {
    Outcome o = soundness();
    if (o != Outcome::ok) return o;
    o = transaction([&] {
      *n = 0;
      std::vector<TuneRecord> sound;
      size_t damaged = 0;
      int rc = rows({}, "", &sound, &damaged);
      if (rc == kOk && damaged) {
        // A damaged key may stand where a search doesn't find it: the whole table is written anew.
        rc = run(std::string("DELETE FROM ") + kTable);
        if (rc == kOk) rc = insert(sound);
        *n += damaged;
      }
      if (rc == kOk) {
        Statement s(db_, std::string("DELETE FROM ") + kTable + " WHERE date < ?1 OR date > ?2");
        s.bind(1, oldest);
        s.bind(2, newest);
        rc = s.step();
        if (rc == kDone) *n += static_cast<size_t>(api().sqlite3_changes(db_));
      }
      if (rc == kDone && max_records >= 0) {
        Statement s(db_, oldest_sql(kTable, " LIMIT -1") + "?1)");
        s.bind(1, max_records);
        rc = s.step();
        if (rc == kDone) *n += static_cast<size_t>(api().sqlite3_changes(db_));
      }
      return rc;
    });
    if (o == Outcome::ok && *n) run("VACUUM");  // fails beside a writer; then the next trim does it
    return o;
  }

  Outcome verify(std::vector<std::string>* problems) override {
    Statement s(db_, "PRAGMA integrity_check(5)");
    int rc;
    while ((rc = s.step()) == kRow) {
      const std::string said = s.text(0);
      if (said != "ok")
        problems->push_back("the file is damaged: " + said + "; remedy: flag-gems tune trim, which keeps what is sound");
    }
    return rc == kDone ? Outcome::ok : outcome(rc);
  }

  Outcome repair(std::vector<TuneRecord>* salvaged, std::string* text) override {
    if (immutable_) return Outcome::corrupt;
    std::string damage = error_;
    std::replace(damage.begin(), damage.end(), '\n', ' ');
    const int lock = lock_file();
    if (lock == kBusyLock) return Outcome::busy;
    // Another process may have put a new file in place while this one waited.
    Outcome o = open();
    if (o == Outcome::ok) o = soundness();
    if (o == Outcome::corrupt) {
      if (db_) salvage(salvaged);
      close_handle();
      std::string to;
      if (move_aside(&to)) {
        *text = path_ + " is damaged (" + damage + "): moved to " + to + ", " + std::to_string(salvaged->size()) +
                " records were saved into a new file";
        o = open();
      } else error_ = damage + "; it can't be moved aside";
    }
    if (lock >= 0) ::close(lock);
    return o;
  }

 private:
  static constexpr int kNoLock = -1, kBusyLock = -2;

  void close_handle() {
    if (db_) api().sqlite3_close_v2(db_);
    db_ = nullptr;
    immutable_ = false;
  }

  Outcome open_file(const std::string& name, int flags) {
    close_handle();
    const int rc = api().sqlite3_open_v2(name.c_str(), &db_, flags, nullptr);
    if (rc != kOk) return outcome(rc);
    api().sqlite3_busy_timeout(db_, options_.busy_ms);
    const Outcome o = set_up();
    struct stat st;
    if (o == Outcome::ok && stat(path_.c_str(), &st) == 0) {
      inode_ = st.st_ino;
      device_ = st.st_dev;
    }
    return o;
  }

  // Looks at what the file is; makes the tables in an empty one.
  Outcome set_up() {
    int64_t tables = 0, id = 0, version = 0;
    int rc = number("SELECT count(*) FROM sqlite_master", &tables);
    if (rc == kOk) rc = number("PRAGMA application_id", &id);
    if (rc != kOk) return outcome(rc);
    if (tables > 0 && id != kApplicationId) return refuse("it belongs to another program");
    if (tables == 0) {
      set_journal();
      const Outcome o = transaction([&] {
        int64_t now = 0;
        const int r = number("SELECT count(*) FROM sqlite_master", &now);
        if (r != kOk || now > 0) return r;  // made by another process meanwhile
        const int made = run(("PRAGMA application_id = " + std::to_string(kApplicationId)));
        return made == kOk ? run(kSchema1) : made;
      });
      if (o != Outcome::ok) return o;
    }
    rc = number("SELECT max(version) FROM tune_version", &version);
    if (rc == kError) return damaged_schema();
    if (rc != kOk) return outcome(rc);
    if (version > kSchemaVersion)
      return refuse("its records have version " + std::to_string(version) + ", this library reads " +
                    std::to_string(kSchemaVersion) + ": a newer library wrote them");
    if (version < 1) return damaged_schema();
    Statement probe(db_, upsert_sql(kTable, 1, '?'));
    if (probe.prepared() == kError) return damaged_schema();
    if (tables > 0) set_journal();
    return Outcome::ok;
  }

  Outcome refuse(const std::string& why) {
    error_ = why + "; it is left alone";
    return Outcome::refused;
  }
  Outcome damaged_schema() {
    error_ = "its tables are damaged";
    return Outcome::corrupt;
  }

  // WAL where it works: readers never wait. Its fsyncs are left to checkpoints (a power cut may lose the newest records, nothing else).
  void set_journal() {
    const bool network = on_network(path_);
    std::string mode = journal("");
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(options_.busy_ms);
    // The change of mode doesn't wait for locks by itself; several processes on a new file are in each other's way.
    while (!network && mode != "wal" && mode != "memory") {
      mode = journal(" = wal");
      if (mode == "wal" || !busy_ || std::chrono::steady_clock::now() > until) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    if (mode != "wal" || network) mode = journal(" = delete");
    run(mode == "wal" ? "PRAGMA synchronous = normal" : "PRAGMA synchronous = full");
  }
  std::string journal(const std::string& set) {
    Statement s(db_, "PRAGMA journal_mode" + set);
    const int rc = s.step();
    busy_ = (rc & 0xff) == kBusy || (rc & 0xff) == kProtocol;
    return rc == kRow ? s.text(0) : "";
  }

  int run(const std::string& sql) { return api().sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr); }
  int number(const char* sql, int64_t* value) {
    Statement s(db_, sql);
    const int rc = s.step();
    if (rc == kRow) *value = s.integer(0);
    return rc == kRow ? kOk : rc;
  }

  template <class Records> int insert(const Records& records) {
    Statement s(db_, upsert_sql(kTable, 1, '?'));
    for (const TuneRecord& r : records) {
      for (int i = 0; i < kTexts; i++) s.bind(i + 1, r.*kText[i].in_record);
      s.bind(kTexts + 1, r.median_us);
      s.bind(kTexts + 2, r.spread);
      s.bind(kTexts + 3, r.count);
      s.bind(kTexts + 4, r.date);
      s.bind(kTexts + 5, record_checksum(r));
      const int rc = s.step();
      s.reset();
      if (rc != kDone) return rc;
    }
    return kOk;
  }

  template <class F> Outcome transaction(F f) {
    if (immutable_) {
      error_ = "it can only be read";
      return Outcome::read_only;
    }
    int rc = run("BEGIN IMMEDIATE");
    if (rc != kOk) return outcome(rc);
    rc = f();
    if (rc == kOk || rc == kDone) rc = run("COMMIT");
    if (rc == kOk) return Outcome::ok;
    const Outcome o = outcome(rc);  // before ROLLBACK replaces the text
    run("ROLLBACK");
    return o;
  }

  int rows(const RecordFilter& f, const std::string& order, std::vector<TuneRecord>* out, size_t* damaged) {
    std::vector<const std::string*> values;
    const std::string where = where_sql(f, '?', &values);
    Statement s(db_, select_sql(kTable) + where + order);
    for (size_t i = 0; i < values.size(); i++) s.bind(static_cast<int>(i) + 1, *values[i]);
    int rc;
    while ((rc = s.step()) == kRow) {
      TuneRecord r;
      for (int i = 0; i < kTexts; i++) r.*kText[i].in_record = s.text(i);
      r.median_us = s.real(kTexts);
      r.spread = s.real(kTexts + 1);
      r.count = s.integer(kTexts + 2);
      r.date = s.integer(kTexts + 3);
      if (record_checksum(r) != s.integer(kTexts + 4) || record_defect(r)) ++*damaged;
      else out->push_back(std::move(r));
    }
    return rc == kDone ? kOk : rc;
  }

  Outcome soundness() {
    Statement s(db_, "PRAGMA integrity_check(1)");
    const int rc = s.step();
    if (rc != kRow) return outcome(rc);
    error_ = s.text(0);
    return error_ == "ok" ? Outcome::ok : Outcome::corrupt;
  }

  // From both ends: a damaged page in the middle stops each scan.
  void salvage(std::vector<TuneRecord>* out) {
    size_t damaged = 0;
    std::string backwards = kKeyColumns;
    for (size_t at = 0; (at = backwards.find(',', at)) != std::string::npos; at += 6) backwards.insert(at, " DESC");
    std::vector<TuneRecord> found;
    rows({}, std::string(" ORDER BY ") + kKeyColumns, &found, &damaged);
    rows({}, " ORDER BY " + backwards + " DESC", &found, &damaged);
    RecordMap map;
    for (const TuneRecord& r : found) map.merge(r);
    out->assign(map.begin(), map.end());
  }

  // One process at a time moves a file. The lock file stays: removing it would let two in.
  int lock_file() {
    const int fd = ::open((path_ + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return kNoLock;
    for (int waited = 0;; waited += 20) {
      if (flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
      if (errno != EWOULDBLOCK && errno != EINTR) return fd;  // a file system without locks
      if (waited >= options_.busy_ms) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    ::close(fd);
    error_ = "another process is repairing it";
    return kBusyLock;
  }

  bool move_aside(std::string* to) {
    struct stat st;
    if (stat(path_.c_str(), &st) != 0 || !S_ISREG(st.st_mode)) return false;
    const time_t now = std::time(nullptr);
    struct tm utc;
    char date[32];
    gmtime_r(&now, &utc);
    strftime(date, sizeof date, "%Y%m%dT%H%M%SZ", &utc);
    *to = path_ + ".corrupt-" + date;
    if (access(to->c_str(), F_OK) == 0) *to += "-" + std::to_string(getpid());
    if (rename(path_.c_str(), to->c_str()) != 0) return false;
    for (const char* side : {"-wal", "-shm", "-journal"}) rename((path_ + side).c_str(), (*to + side).c_str());
    return true;
  }

  static std::string escaped(const std::string& path) {
    std::string s;
    for (const char c : path) {
      if (c == '%' || c == '?' || c == '#') {
        static const char hex[] = "0123456789abcdef";
        s += {'%', hex[c >> 4], hex[c & 15]};
      } else s += c;
    }
    return s;
  }

  Outcome outcome(int rc) {
    if (rc == kOk) return Outcome::ok;
    error_ = db_ ? api().sqlite3_errmsg(db_) : "out of memory";
    if (db_ && api().sqlite3_extended_errcode(db_) == kReadonlyDbMoved) return Outcome::gone;
    switch (rc & 0xff) {
      case kBusy:
      case kLocked:
      case kProtocol:
      case kSchema: return Outcome::busy;
      case kFull: return Outcome::full;
      case kReadonly:
      case kPerm: return Outcome::read_only;
      case kCorrupt:
      case kNotADb: return Outcome::corrupt;
      case kError: return damaged_schema();
      default: return Outcome::gone;  // input or output failed, no memory, can't be opened
    }
  }

  const std::string path_;
  const StoreOptions options_;
  sqlite3* db_ = nullptr;
  bool immutable_ = false;
  bool busy_ = false;  // the last change of the journal mode met a lock
  ino_t inode_ = 0;
  dev_t device_ = 0;
};

}  // namespace

std::unique_ptr<Database> sqlite_database(const std::string& path, const StoreOptions& options) {
  return std::make_unique<Sqlite>(path, options);
}

}  // namespace gems
