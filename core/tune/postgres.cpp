// Records on a PostgreSQL server, for a fleet. libpq is opened with dlopen. Every wait has an end: a server that is gone or hangs costs
// connect_ms or query_ms once, then the store rests (StoreOptions).
#include <dlfcn.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>

#include "core/tune/database.h"

// What we use of libpq-fe.h.
struct pg_conn;
struct pg_result;

namespace gems {
namespace {

enum { kConnectionOk = 0, kPollFailed = 0, kPollReading = 1, kPollWriting = 2, kPollOk = 3 };
enum { kEmptyQuery = 0, kCommandOk = 1, kTuplesOk = 2 };
constexpr int kSqlState = 'C';
constexpr unsigned kText_ = 25, kInt8 = 20, kFloat8 = 701;  // types of parameters

#define GEMS_PQ_FUNCTIONS(X)                                                                                                \
  X(pg_conn*, PQconnectStartParams, (const char* const*, const char* const*, int))                                          \
  X(int, PQconnectPoll, (pg_conn*))                                                                                         \
  X(int, PQstatus, (const pg_conn*))                                                                                        \
  X(int, PQsocket, (const pg_conn*))                                                                                        \
  X(int, PQsetnonblocking, (pg_conn*, int))                                                                                 \
  X(int, PQflush, (pg_conn*))                                                                                               \
  X(char*, PQerrorMessage, (const pg_conn*))                                                                                \
  X(void, PQfinish, (pg_conn*))                                                                                             \
  X(int, PQsendQuery, (pg_conn*, const char*))                                                                              \
  X(int, PQsendQueryParams, (pg_conn*, const char*, int, const unsigned*, const char* const*, const int*, const int*, int)) \
  X(int, PQconsumeInput, (pg_conn*))                                                                                        \
  X(int, PQisBusy, (pg_conn*))                                                                                              \
  X(pg_result*, PQgetResult, (pg_conn*))                                                                                    \
  X(int, PQresultStatus, (const pg_result*))                                                                                \
  X(char*, PQresultErrorField, (const pg_result*, int))                                                                     \
  X(char*, PQcmdTuples, (pg_result*))                                                                                       \
  X(int, PQntuples, (const pg_result*))                                                                                     \
  X(char*, PQgetvalue, (const pg_result*, int, int))                                                                        \
  X(int, PQgetlength, (const pg_result*, int, int))                                                                         \
  X(void, PQclear, (pg_result*))                                                                                            \
  X(void*, PQsetNoticeProcessor, (pg_conn*, void (*)(void*, const char*), void*))

struct Api {
  std::string why;
#define GEMS_MEMBER(result, name, params) result(*name) params = nullptr;
  GEMS_PQ_FUNCTIONS(GEMS_MEMBER)
#undef GEMS_MEMBER
};

Api open_api() {
  Api a;
  void* lib = dlopen("libpq.so.5", RTLD_NOW | RTLD_LOCAL);
  if (!lib) {
    a.why = "libpq.so.5 can't be opened (Debian: apt-get install libpq5)";
    return a;
  }
#define GEMS_RESOLVE(result, name, params)                        \
  a.name = reinterpret_cast<decltype(a.name)>(dlsym(lib, #name)); \
  if (!a.name) {                                                  \
    a.why = "libpq.so.5 has no " #name;                           \
    return a;                                                     \
  }
  GEMS_PQ_FUNCTIONS(GEMS_RESOLVE)
#undef GEMS_RESOLVE
  return a;
}
const Api& api() {
  static const auto* a = new Api(open_api());
  return *a;
}

constexpr const char* kTable = "flag_gems_records";
// The lock keeps processes that start together from making the tables twice (CREATE IF NOT EXISTS may collide).
constexpr const char* kSchema1 =
    "SELECT pg_advisory_xact_lock(1195724115);"
    "CREATE TABLE IF NOT EXISTS flag_gems_version (version bigint NOT NULL);"
    "CREATE TABLE IF NOT EXISTS flag_gems_records (device text COLLATE \"C\" NOT NULL, driver text COLLATE \"C\" NOT NULL,"
    " compiler text COLLATE \"C\" NOT NULL, library text COLLATE \"C\" NOT NULL, op text COLLATE \"C\" NOT NULL,"
    " bucket text COLLATE \"C\" NOT NULL, candidate text COLLATE \"C\" NOT NULL, kernel_hash text COLLATE \"C\" NOT NULL,"
    " median_us double precision NOT NULL, spread double precision NOT NULL, count bigint NOT NULL, date bigint NOT NULL,"
    " checksum bigint NOT NULL, PRIMARY KEY (device, driver, compiler, library, op, bucket, candidate));"
    "INSERT INTO flag_gems_version SELECT 1 WHERE NOT EXISTS (SELECT FROM flag_gems_version);";

using Clock = std::chrono::steady_clock;

struct Parameters {
  std::vector<std::string> values;
  std::vector<unsigned> types;
  void add(const std::string& v) { push(v, kText_); }
  void add(double v) {
    char buffer[64];
    push(std::string(buffer, std::to_chars(buffer, buffer + sizeof buffer, v).ptr), kFloat8);
  }
  void add(int64_t v) { push(std::to_string(v), kInt8); }

 private:
  void push(std::string v, unsigned type) {
    values.push_back(std::move(v));
    types.push_back(type);
  }
};

template <class T> T parsed(const char* s, int n) {
  T v{};
  std::from_chars(s, s + n, v);
  return v;
}

class Result {
 public:
  explicit Result(pg_result* r = nullptr) : r_(r) {}
  Result(const Result&) = delete;
  Result& operator=(Result&& o) noexcept {
    std::swap(r_, o.r_);
    return *this;
  }
  Result(Result&& o) noexcept : r_(o.r_) { o.r_ = nullptr; }
  ~Result() {
    if (r_) api().PQclear(r_);
  }
  explicit operator bool() const { return r_ != nullptr; }
  bool good() const {
    const int s = api().PQresultStatus(r_);
    return s == kCommandOk || s == kTuplesOk || s == kEmptyQuery;
  }
  std::string state() const {
    const char* s = api().PQresultErrorField(r_, kSqlState);
    return s ? s : "";
  }
  size_t changed() const { return parsed<size_t>(api().PQcmdTuples(r_), static_cast<int>(std::strlen(api().PQcmdTuples(r_)))); }
  int rows() const { return api().PQntuples(r_); }
  std::string text(int row, int i) const {
    return {api().PQgetvalue(r_, row, i), static_cast<size_t>(api().PQgetlength(r_, row, i))};
  }
  template <class T> T number(int row, int i) const {
    return parsed<T>(api().PQgetvalue(r_, row, i), api().PQgetlength(r_, row, i));
  }

 private:
  pg_result* r_;
};

class Postgres : public Database {
 public:
  Postgres(std::string url, const StoreOptions& options) : url_(std::move(url)), options_(options) {}
  ~Postgres() override { Postgres::close(); }

  Outcome open() override {
    if (!api().why.empty()) {
      error_ = api().why;
      return Outcome::refused;
    }
    close();
    Outcome o = connect();
    if (o == Outcome::ok) o = set_up();
    if (o != Outcome::ok) close();
    return o;
  }

  void close() override {
    if (conn_) api().PQfinish(conn_);
    conn_ = nullptr;
  }

  // As many rows a statement as the protocol's 65535 parameters leave room for; each statement is a transaction.
  Outcome put(const RecordMap& batch) override {
    constexpr int kRows = 500;
    auto it = batch.begin();
    for (size_t left = batch.size(); left > 0;) {
      const int n = static_cast<int>(std::min<size_t>(left, kRows));
      left -= static_cast<size_t>(n);
      Parameters p;
      for (int i = 0; i < n; i++, ++it) {
        for (const TextColumn& c : kText) p.add((*it).*c.in_record);
        p.add(it->median_us);
        p.add(it->spread);
        p.add(it->count);
        p.add(it->date);
        p.add(record_checksum(*it));
      }
      const Outcome o = ask(upsert_sql(kTable, n, '$'), &p, nullptr);
      if (o != Outcome::ok) return o;
    }
    return Outcome::ok;
  }

  Outcome read(const RecordFilter& f, std::vector<TuneRecord>* out, size_t* damaged) override {
    std::vector<TuneRecord> unsound;
    const Outcome o = rows(f, out, &unsound, nullptr);
    *damaged += unsound.size();
    return o;
  }

  Outcome erase(const RecordFilter& f, size_t* n) override {
    Parameters p;
    const std::string where = filtered(f, &p);
    Result r;
    const Outcome o = ask(std::string("DELETE FROM ") + kTable + where, &p, &r);
    if (o == Outcome::ok) *n = r.changed();
    return o;
  }

  Outcome trim(int64_t max_records, int64_t oldest, int64_t newest, size_t* n) override {
    *n = 0;
    std::vector<TuneRecord> sound, unsound;
    std::vector<int64_t> checksums;
    Outcome o = rows({}, &sound, &unsound, &checksums);
    for (size_t i = 0; i < unsound.size() && o == Outcome::ok; i++) {
      Parameters p;
      std::string sql = std::string("DELETE FROM ") + kTable + " WHERE checksum = $1";
      p.add(checksums[i]);
      for (int k = 0; k < kKeys; k++) {
        p.add(unsound[i].*kText[k].in_record);
        sql += std::string(" AND ") + kText[k].name + " = $" + std::to_string(k + 2);
      }
      o = remove(sql, &p, n);
    }
    if (o == Outcome::ok) {
      Parameters p;
      p.add(oldest);
      p.add(newest);
      o = remove(std::string("DELETE FROM ") + kTable + " WHERE date < $1 OR date > $2", &p, n);
    }
    if (o == Outcome::ok && max_records >= 0) {
      Parameters p;
      p.add(max_records);
      o = remove(oldest_sql(kTable, "") + "$1)", &p, n);
    }
    return o;
  }

  // The server guards its files itself; that it answers and has our tables was seen when it was opened.
  Outcome verify(std::vector<std::string>*) override { return set_up(); }

 private:
  static int left(Clock::time_point until) {
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
    return ms > 0 ? static_cast<int>(ms) : 0;
  }
  // Until the socket is ready; false at the deadline.
  bool wait(short events, Clock::time_point until) {
    for (;;) {
      struct pollfd p = {api().PQsocket(conn_), events, 0};
      const int n = poll(&p, 1, left(until));
      if (n > 0) return true;
      if (n == 0 || errno != EINTR) return false;
    }
  }
  Outcome gone(const std::string& otherwise) {
    error_ = otherwise;
    if (conn_ && otherwise.empty()) error_ = api().PQerrorMessage(conn_);
    std::replace(error_.begin(), error_.end(), '\n', ' ');
    while (!error_.empty() && error_.back() == ' ') error_.pop_back();
    return Outcome::gone;
  }

  Outcome connect() {
    // Before dbname: what the URL says wins over them.
    const char* const names[] = {"application_name", "client_encoding", "dbname", nullptr};
    const char* const values[] = {"flag_gems", "UTF8", url_.c_str(), nullptr};
    conn_ = api().PQconnectStartParams(names, values, 1);
    if (!conn_) return gone("out of memory");
    if (api().PQstatus(conn_) != kConnectionOk && api().PQsocket(conn_) < 0) return gone("");
    const auto until = Clock::now() + std::chrono::milliseconds(options_.connect_ms);
    for (int state = kPollWriting; state != kPollOk; state = api().PQconnectPoll(conn_)) {
      if (state == kPollFailed) return gone("");
      if (!wait(state == kPollReading ? POLLIN : POLLOUT, until))
        return gone("no answer within " + std::to_string(options_.connect_ms) + " ms");
    }
    api().PQsetNoticeProcessor(
        conn_, [](void*, const char*) {}, nullptr);
    api().PQsetnonblocking(conn_, 1);
    return ask("SET statement_timeout = " + std::to_string(options_.query_ms) +
                   "; SET lock_timeout = " + std::to_string(options_.busy_ms) + "; SET extra_float_digits = 3",
               nullptr, nullptr);
  }

  Outcome set_up() {
    Result r;
    Outcome o = Outcome::ok;
    for (bool made : {false, true}) {
      o = ask("SELECT max(version) FROM flag_gems_version", nullptr, &r);
      if (o == Outcome::ok || state_ != "42P01" || made) break;
      if ((o = ask(kSchema1, nullptr, nullptr)) != Outcome::ok) return o;
    }
    if (o != Outcome::ok) return o;
    const int64_t version = r.rows() == 1 ? r.number<int64_t>(0, 0) : 0;
    if (version == kSchemaVersion) return Outcome::ok;
    error_ = "its records have version " + std::to_string(version) + ", this library reads " + std::to_string(kSchemaVersion) +
             "; they are left alone";
    return Outcome::refused;
  }

  // Runs one statement (with parameters) or several (without). `result`: the last one's.
  Outcome ask(const std::string& sql, const Parameters* p, Result* result) {
    state_.clear();
    std::vector<const char*> values;
    if (p)
      for (const std::string& v : p->values) values.push_back(v.c_str());
    const int sent = p ? api().PQsendQueryParams(conn_, sql.c_str(), static_cast<int>(values.size()), p->types.data(),
                                                 values.data(), nullptr, nullptr, 0)
                       : api().PQsendQuery(conn_, sql.c_str());
    if (!sent) return gone("");
    const auto until = Clock::now() + std::chrono::milliseconds(options_.query_ms);
    const std::string late = "no answer within " + std::to_string(options_.query_ms) + " ms";
    for (int unsent; (unsent = api().PQflush(conn_)) != 0;) {
      if (unsent < 0) return gone("");
      if (!wait(POLLIN | POLLOUT, until)) return gone(late);
      if (!api().PQconsumeInput(conn_)) return gone("");  // a server that waits for us to read wouldn't read on
    }
    Outcome o = Outcome::ok;
    for (;;) {
      while (api().PQisBusy(conn_)) {
        if (!wait(POLLIN, until)) return gone(late);
        if (!api().PQconsumeInput(conn_)) return gone("");
      }
      Result r(api().PQgetResult(conn_));
      if (!r) return o;
      if (!r.good()) o = failure(r);
      else if (result) *result = std::move(r);
    }
  }

  Outcome failure(const Result& r) {
    state_ = r.state();
    gone("");
    if (state_ == "25006" || state_ == "42501") return Outcome::read_only;
    if (state_ == "53100") return Outcome::full;
    if (state_ == "40001" || state_ == "40P01" || state_ == "55P03" || state_ == "57014") return Outcome::busy;
    if (state_.starts_with("42")) {  // no such table, column, constraint
      error_ = "its tables aren't as this library made them: " + error_ + "; they are left alone";
      return Outcome::refused;
    }
    return Outcome::gone;
  }

  static std::string filtered(const RecordFilter& f, Parameters* p) {
    std::vector<const std::string*> values;
    std::string where = where_sql(f, '$', &values);
    for (const std::string* v : values) p->add(*v);
    return where;
  }

  Outcome remove(const std::string& sql, const Parameters* p, size_t* n) {
    Result r;
    const Outcome o = ask(sql, p, &r);
    if (o == Outcome::ok) *n += r.changed();
    return o;
  }

  Outcome rows(const RecordFilter& f, std::vector<TuneRecord>* out, std::vector<TuneRecord>* unsound,
               std::vector<int64_t>* checksums) {
    Parameters p;
    const std::string where = filtered(f, &p);
    Result result;
    const Outcome o = ask(select_sql(kTable) + where + " ORDER BY " + kKeyColumns, &p, &result);
    if (o != Outcome::ok) return o;
    for (int row = 0; row < result.rows(); row++) {
      TuneRecord r;
      for (int i = 0; i < kTexts; i++) r.*kText[i].in_record = result.text(row, i);
      r.median_us = result.number<double>(row, kTexts);
      r.spread = result.number<double>(row, kTexts + 1);
      r.count = result.number<int64_t>(row, kTexts + 2);
      r.date = result.number<int64_t>(row, kTexts + 3);
      const int64_t checksum = result.number<int64_t>(row, kTexts + 4);
      if (record_checksum(r) == checksum && !record_defect(r)) out->push_back(std::move(r));
      else {
        unsound->push_back(std::move(r));
        if (checksums) checksums->push_back(checksum);
      }
    }
    return Outcome::ok;
  }

  const std::string url_;
  const StoreOptions options_;
  pg_conn* conn_ = nullptr;
  std::string state_;  // SQLSTATE of the last failure
};

}  // namespace

std::unique_ptr<Database> postgres_database(const std::string& url, const StoreOptions& options) {
  return std::make_unique<Postgres>(url, options);
}

}  // namespace gems
