// What a store of records asks of a database, and what SQLite and PostgreSQL have in common. Used by core/tune only.
#pragma once
#include <set>

#include "core/tune/records.h"

namespace gems {

// Records by key, each the one that `replaces` prefers. Its order is also that in which databases are written: row locks taken in one
// order can't deadlock.
class RecordMap {
 public:
  void merge(const TuneRecord& r);
  size_t erase(const RecordFilter& f);
  std::vector<TuneRecord> read(const RecordFilter& f) const;
  size_t trim(int64_t max_records, int64_t oldest, int64_t newest);
  void clear() { records_.clear(); }
  bool empty() const { return records_.empty(); }
  size_t size() const { return records_.size(); }
  auto begin() const { return records_.begin(); }
  auto end() const { return records_.end(); }

 private:
  struct ByKey {
    bool operator()(const TuneRecord& a, const TuneRecord& b) const { return a.key() < b.key(); }
  };
  std::set<TuneRecord, ByKey> records_;
};

// Text columns: the key's first, in its order.
struct TextColumn {
  const char* name;
  std::string TuneRecord::*in_record;
  std::optional<std::string> RecordFilter::*in_filter;
};
inline constexpr TextColumn kText[] = {
    {"device", &TuneRecord::device, &RecordFilter::device},
    {"driver", &TuneRecord::driver, &RecordFilter::driver},
    {"compiler", &TuneRecord::compiler, &RecordFilter::compiler},
    {"library", &TuneRecord::library, &RecordFilter::library},
    {"op", &TuneRecord::op, &RecordFilter::op},
    {"bucket", &TuneRecord::bucket, &RecordFilter::bucket},
    {"candidate", &TuneRecord::candidate, &RecordFilter::candidate},
    {"kernel_hash", &TuneRecord::kernel_hash, &RecordFilter::kernel_hash},
};
inline constexpr int kTexts = 8, kKeys = 7;
inline constexpr int kColumns = kTexts + 5;  // and median_us, spread, count, date, checksum
inline constexpr const char* kNumberColumns = "median_us, spread, count, date, checksum";
inline constexpr const char* kKeyColumns = "device, driver, compiler, library, op, bucket, candidate";
inline constexpr int64_t kSchemaVersion = 1;
inline constexpr int64_t kSlackSeconds = 86400;  // clocks of a fleet differ; a date later than this is wrong

bool matches(const RecordFilter& f, const TuneRecord& r);
// Against bits that flipped on a disk: databases check their structure, not their content.
int64_t record_checksum(const TuneRecord& r);

// "INSERT ... ON CONFLICT ... DO UPDATE ... WHERE the new one replaces the old": `replaces` in SQL. Placeholders: ?1.. or $1..
std::string upsert_sql(const char* table, int rows, char placeholder);
// " WHERE a = $1 AND b = $2" for what the filter gives, and those values.
std::string where_sql(const RecordFilter& f, char placeholder, std::vector<const std::string*>* values);
std::string select_sql(const char* table);
// Deletes the oldest above a number that is appended.
std::string oldest_sql(const char* table, const char* no_limit);

enum class Outcome {
  ok,
  busy,       // somebody else's lock; later
  full,       // no space; later
  gone,       // server or disk don't answer; later, after opening anew
  read_only,  // reads work
  refused,    // another program's, or of a newer version: left alone
  corrupt,    // repair() may help
};

class Database {
 public:
  virtual ~Database() = default;
  virtual Outcome open() = 0;
  virtual void close() = 0;
  // Whether what was opened is no longer what is there (deleted, moved aside by another process).
  virtual bool stale() { return false; }
  virtual Outcome put(const RecordMap& batch) = 0;
  // `damaged`: how many were left out because their checksum was wrong.
  virtual Outcome read(const RecordFilter& f, std::vector<TuneRecord>* out, size_t* damaged) = 0;
  virtual Outcome erase(const RecordFilter& f, size_t* n) = 0;
  virtual Outcome trim(int64_t max_records, int64_t oldest, int64_t newest, size_t* n) = 0;
  virtual Outcome verify(std::vector<std::string>* problems) = 0;
  // After `corrupt`: moves the damaged file aside and opens a new one. `salvaged`: sound records of the old one. `text`: what was done.
  virtual Outcome repair(std::vector<TuneRecord>* salvaged, std::string* text) { return Outcome::corrupt; }
  const std::string& error() const { return error_; }  // of the last outcome that wasn't ok

 protected:
  std::string error_;
};
std::unique_ptr<Database> sqlite_database(const std::string& path, const StoreOptions& options);
std::unique_ptr<Database> postgres_database(const std::string& url, const StoreOptions& options);

}  // namespace gems
