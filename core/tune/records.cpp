#include "core/tune/records.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "core/tune/database.h"

namespace gems {
namespace {

// As PostgreSQL takes it: no NUL, no overlong form, no surrogate.
bool is_utf8(const std::string& s) {
  const auto* p = reinterpret_cast<const unsigned char*>(s.data());
  const auto* end = p + s.size();
  while (p < end) {
    const unsigned c = *p++;
    if (c == 0) return false;
    if (c < 0x80) continue;
    const int more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
    if (c < 0xc2 || c > 0xf4 || end - p < more) return false;
    unsigned code = c & (0x3f >> more);
    for (int i = 0; i < more; i++, p++) {
      if ((*p & 0xc0) != 0x80) return false;
      code = code << 6 | (*p & 0x3f);
    }
    if (code < (more == 3 ? 0x10000u : more == 2 ? 0x800u : 0x80u) || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
      return false;
  }
  return true;
}

}  // namespace

const char* record_defect(const TuneRecord& r) {
  size_t key_bytes = 0;
  for (const TextColumn& c : kText) {
    const std::string& s = r.*c.in_record;
    if (!is_utf8(s)) return "a text isn't UTF-8";
    if (&c - kText < kKeys) key_bytes += s.size();
  }
  if (r.op.empty() || r.candidate.empty() || r.device.empty()) return "op, candidate and device can't be empty";
  if (key_bytes > 2400 || r.kernel_hash.size() > 2400) return "its texts are too long";  // PostgreSQL indexes 2704 bytes
  if (!std::isfinite(r.median_us) || r.median_us <= 0) return "median_us isn't a positive number";
  if (!std::isfinite(r.spread) || r.spread < 0) return "spread is negative or not a number";
  if (r.count < 1) return "count isn't positive";
  if (r.date < 0) return "date is negative";
  return nullptr;
}

bool replaces(const TuneRecord& a, const TuneRecord& b) {
  return std::tie(a.date, a.count, b.median_us, b.spread, b.kernel_hash) >
         std::tie(b.date, b.count, a.median_us, a.spread, a.kernel_hash);
}

bool matches(const RecordFilter& f, const TuneRecord& r) {
  return std::all_of(std::begin(kText), std::end(kText),
                     [&](const TextColumn& c) { return !(f.*c.in_filter) || *(f.*c.in_filter) == r.*c.in_record; });
}

int64_t record_checksum(const TuneRecord& r) {
  uint64_t h = 1469598103934665603ull;
  auto add = [&](const void* data, size_t n) {
    for (size_t i = 0; i < n; i++) h = (h ^ static_cast<const unsigned char*>(data)[i]) * 1099511628211ull;
  };
  for (const TextColumn& c : kText) add((r.*c.in_record).c_str(), (r.*c.in_record).size() + 1);
  add(&r.median_us, sizeof r.median_us);
  add(&r.spread, sizeof r.spread);
  add(&r.count, sizeof r.count);
  add(&r.date, sizeof r.date);
  return static_cast<int64_t>(h);
}

void RecordMap::merge(const TuneRecord& r) {
  const auto it = records_.find(r);
  if (it == records_.end()) records_.insert(r);
  else if (replaces(r, *it)) records_.insert(records_.erase(it), r);
}

size_t RecordMap::erase(const RecordFilter& f) {
  return std::erase_if(records_, [&](const TuneRecord& r) { return matches(f, r); });
}

std::vector<TuneRecord> RecordMap::read(const RecordFilter& f) const {
  std::vector<TuneRecord> out;
  std::copy_if(begin(), end(), std::back_inserter(out), [&](const TuneRecord& r) { return matches(f, r); });
  return out;
}

size_t RecordMap::trim(int64_t max_records, int64_t oldest, int64_t newest) {
  const size_t n = std::erase_if(records_, [&](const TuneRecord& r) { return r.date < oldest || r.date > newest; });
  if (max_records < 0 || size() <= static_cast<size_t>(max_records)) return n;
  std::vector<TuneRecord> by_date(begin(), end());
  std::stable_sort(by_date.begin(), by_date.end(), [](const TuneRecord& a, const TuneRecord& b) { return a.date > b.date; });
  for (size_t i = static_cast<size_t>(max_records); i < by_date.size(); i++) records_.erase(by_date[i]);
  return n + by_date.size() - static_cast<size_t>(max_records);
}

std::string upsert_sql(const char* table, int rows, char placeholder) {
  std::string sql = std::string("INSERT INTO ") + table + " (" + kKeyColumns + ", kernel_hash, " + kNumberColumns + ") VALUES ";
  for (int i = 0, at = 1; i < rows; i++) {
    sql += i ? ",(" : "(";
    for (int k = 0; k < kColumns; k++, at++) sql += (k ? "," : "") + std::string(1, placeholder) + std::to_string(at);
    sql += ")";
  }
  sql += std::string(" ON CONFLICT (") + kKeyColumns +
         ") DO UPDATE SET kernel_hash = excluded.kernel_hash, median_us = excluded.median_us, "
         "spread = excluded.spread, count = excluded.count, date = excluded.date, checksum = excluded.checksum WHERE ";
  // Columns where the smaller value wins change sides.
  const std::string t = std::string(table) + ".";
  sql += "(excluded.date, excluded.count, " + t + "median_us, " + t + "spread, " + t + "kernel_hash) > (" + t + "date, " + t +
         "count, excluded.median_us, excluded.spread, excluded.kernel_hash)";
  return sql;
}

std::string where_sql(const RecordFilter& f, char placeholder, std::vector<const std::string*>* values) {
  std::string sql;
  for (const TextColumn& c : kText) {
    const auto& wanted = f.*c.in_filter;
    if (!wanted) continue;
    values->push_back(&*wanted);
    sql +=
        (values->size() == 1 ? " WHERE " : " AND ") + std::string(c.name) + " = " + placeholder + std::to_string(values->size());
  }
  return sql;
}

std::string select_sql(const char* table) {
  return std::string("SELECT ") + kKeyColumns + ", kernel_hash, " + kNumberColumns + " FROM " + table;
}

std::string oldest_sql(const char* table, const char* no_limit) {
  return std::string("DELETE FROM ") + table + " WHERE (" + kKeyColumns + ") IN (SELECT " + kKeyColumns + " FROM " + table +
         " ORDER BY date DESC, " + kKeyColumns + no_limit + " OFFSET ";
}

}  // namespace gems
