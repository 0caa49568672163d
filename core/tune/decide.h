// From records to decisions.
#pragma once
#include <utility>

#include "core/tune/choices.h"
#include "core/tune/records.h"

namespace gems {

// The candidate to run, of medians: native, own, others by name, each of which has to lead by two per cent to displace the one before
// it. What is equal keeps the usual numbers, and the simpler way. kCandidateNone of none.
GEMS_API int16_t best_candidate(std::vector<std::pair<int16_t, double>> medians);
// Of records of one environment: buckets that have both own and native.
GEMS_API std::vector<Choice> choices_of(const std::vector<TuneRecord>& records);
// Adds what a store's records of exactly this environment decide; where it has others only, it logs what differs. Returns how many
// decisions are new.
GEMS_API size_t load_choices(RecordStore& store, const TuneEnv& env);
// The same of records_at(place), unless that is a file that isn't there. The stores that tuning itself uses stay open; locks of other
// processes are waited for briefly.
GEMS_API size_t load_choices(const std::string& place, const TuneEnv& env);
RecordStore& records_at(const std::string& place);

// Of samples that aren't empty; reorders them.
double quantile(std::vector<double>& samples, double q);

}  // namespace gems
