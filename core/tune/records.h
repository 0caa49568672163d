// Tuning records: how long a candidate of an operator took in a bucket of shapes, where that was measured, and the stores that keep them
// (memory, an SQLite file, a PostgreSQL server). docs/design.md, "Tuning records".
// Nothing here is ever an error to the caller: a store that can't be used becomes memory only, with one log line.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "core/base.h"

namespace gems {

// Where a time holds: results of other chips, drivers, compilers or library versions are never mixed with those of this one.
struct TuneEnv {
  std::string device, driver, compiler, library;
  friend bool operator==(const TuneEnv&, const TuneEnv&) = default;
};

// One candidate's result. Key: (device, driver, compiler, library, op, bucket, candidate).
struct TuneRecord {
  std::string op, bucket, candidate, device, driver, compiler, kernel_hash, library;
  double median_us = 0, spread = 0;
  int64_t count = 0;  // measurements behind the median
  int64_t date = 0;   // unix seconds of the last one

  auto key() const { return std::tie(device, driver, compiler, library, op, bucket, candidate); }
  TuneEnv env() const { return {device, driver, compiler, library}; }
  friend bool operator==(const TuneRecord&, const TuneRecord&) = default;
};

// What isn't given matches anything.
struct RecordFilter {
  std::optional<std::string> op, bucket, candidate, device, driver, compiler, kernel_hash, library;
};

// Why a record can't be stored; nullptr if it can. The limits are those that every kind of store has.
GEMS_API const char* record_defect(const TuneRecord& r);

// Of two records with one key, the one to keep: the newer; of the same date, the one with more measurements. What is left is decided
// by the values (smaller median, spread, hash), so that merging is commutative, associative and idempotent.
GEMS_API bool replaces(const TuneRecord& a, const TuneRecord& b);

// The hash of the kernel that this process would run for a record's operator and candidate; "" if there is nothing to compare.
using KernelHash = std::function<std::string(const TuneRecord&)>;

// All functions may be called from any thread, and after fork.
class RecordStore {
 public:
  RecordStore() = default;
  RecordStore(const RecordStore&) = delete;
  RecordStore& operator=(const RecordStore&) = delete;
  virtual ~RecordStore() = default;

  // Merges a batch (`replaces` decides on conflict). Defective records are left out, with a log line; returns how many were not.
  virtual size_t put(const std::vector<TuneRecord>& batch) = 0;
  // The fastest candidate of each (op, bucket) among the records of exactly this environment, and of the current kernels.
  virtual std::vector<TuneRecord> winners(const TuneEnv& env, const KernelHash& current = {}) = 0;
  // In the order of their keys.
  virtual std::vector<TuneRecord> all(const RecordFilter& filter = {}) = 0;
  virtual size_t erase(const RecordFilter& filter) = 0;
  // Removes records older than max_age_days, dated in the future (a day of slack), or damaged; then the oldest above max_records.
  // Negative: no limit. Returns how many are gone.
  virtual size_t trim(int64_t max_records, double max_age_days) = 0;
  // What is wrong with the store, each with what to do about it; empty if nothing is.
  virtual std::vector<std::string> verify() = 0;
  // Writes what couldn't be written before and gives the file or the connection back. Later calls do nothing.
  virtual void close() = 0;
  virtual std::string where() const = 0;    // "memory", a path, or an URL without its password
  virtual std::string problem() const = 0;  // why records aren't kept at where(); "" if they are
};

struct StoreOptions {
  int busy_ms = 2000;         // how long to wait for another process's lock
  int connect_ms = 2000;      // for a server to accept
  int query_ms = 5000;        // for a server to answer
  int retry_ms = 60000;       // rest after a server was gone or a disk full; no operation tries before
  int busy_retry_ms = 10000;  // rest after a lock wasn't given
};

// where: the path of an SQLite file, "sqlite:///path", "postgresql://..." or "" (memory).
GEMS_API std::unique_ptr<RecordStore> open_records(const std::string& where, const StoreOptions& options = {});
// The fleet's: GEMS_TUNE_DB_URL or FLAGGEMS_DB_URL. The machine's: GEMS_TUNE_DB or <cache folder>/tune.sqlite. "" if there is none.
GEMS_API std::string fleet_records_place();
GEMS_API std::string machine_records_place();
// The fleet's if there is one, else the machine's.
GEMS_API std::string default_records_place();
// The store of this process at default_records_place(), opened by the first call.
GEMS_API RecordStore& process_records();

// ---- one file of records: JSON lines ----
// A header line with the format's and the library's version, then one record a line, in the order of their keys.
GEMS_API std::string records_to_text(std::vector<TuneRecord> records, const std::string& library);
// Reads such a text. A line that isn't a sound record is left out and reported as "name:line: reason".
struct RecordFile {
  std::vector<TuneRecord> records;
  std::vector<std::string> problems;
  std::string library;  // which wrote it
};
GEMS_API RecordFile records_from_text(const std::string& text, const std::string& name);
GEMS_API RecordFile load_record_file(const std::string& path);

}  // namespace gems
