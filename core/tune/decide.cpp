#include "core/tune/decide.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>

#include "core/tune/fork_mutex.h"

namespace gems {
namespace {
constexpr double kLead = 0.98;  // nearer than that is noise
}

int16_t best_candidate(std::vector<std::pair<int16_t, double>> medians) {
  const auto rank = [](int16_t c) { return c == kCandidateNative ? 0 : c == kCandidateOwn ? 1 : 2; };
  std::sort(medians.begin(), medians.end(), [&](const auto& a, const auto& b) {
    const int x = rank(a.first), y = rank(b.first);
    return x != y ? x < y : x == 2 && candidate_name(a.first) < candidate_name(b.first);
  });
  std::pair<int16_t, double> best{kCandidateNone, 0};
  for (const auto& m : medians)
    if (best.first == kCandidateNone || m.second <= kLead * best.second) best = m;
  return best.first;
}

std::vector<Choice> choices_of(const std::vector<TuneRecord>& records) {
  std::map<std::pair<std::string, std::string>, std::vector<std::pair<int16_t, double>>> buckets;
  for (const TuneRecord& r : records)
    if (const int16_t c = candidate_of_name(r.candidate); c > kCandidateAuto)
      buckets[{r.op, r.bucket}].push_back({c, r.median_us});
  std::vector<Choice> choices;
  for (const auto& b : buckets) {
    const auto& [op, text] = b.first;
    const size_t hash = text.rfind('#');
    const auto has = [&](int16_t c) {
      return std::any_of(b.second.begin(), b.second.end(), [&](const auto& m) { return m.first == c; });
    };
    if (hash != std::string::npos && has(kCandidateNative) && has(kCandidateOwn))
      choices.push_back({op, std::strtoull(text.c_str() + hash + 1, nullptr, 16), best_candidate(b.second)});
  }
  return choices;
}

size_t load_choices(RecordStore& store, const TuneEnv& env) {
  RecordFilter f;
  f.device = env.device;
  f.driver = env.driver;
  f.compiler = env.compiler;
  f.library = env.library;
  const std::vector<TuneRecord> records = store.all(f);
  if (records.empty()) store.winners(env);  // says what differs
  return add_choices(choices_of(records));
}

RecordStore& records_at(const std::string& place) {
  using Stores = std::map<std::string, std::unique_ptr<RecordStore>>;
  static auto* stores = new Stores;
  {
    std::lock_guard<std::mutex> guard(fork_mutex<Stores>());
    if (const auto found = stores->find(place); found != stores->end()) return *found->second;
  }
  StoreOptions brief;
  brief.busy_ms = 200;
  auto opened = open_records(place, brief);  // may take seconds: nobody is to wait for another place
  std::lock_guard<std::mutex> guard(fork_mutex<Stores>());
  return *(stores->try_emplace(place, std::move(opened)).first->second);
}

size_t load_choices(const std::string& place, const TuneEnv& env) {
  if (place.empty() || (place.find("://") == std::string::npos && access(place.c_str(), R_OK) != 0)) return 0;
  return load_choices(records_at(place), env);
}

double quantile(std::vector<double>& v, double q) {
  std::sort(v.begin(), v.end());
  const double at = q * static_cast<double>(v.size() - 1);
  const auto i = static_cast<size_t>(at);
  return i + 1 < v.size() ? v[i] + (at - std::floor(at)) * (v[i + 1] - v[i]) : v[i];
}

}  // namespace gems
