#include "core/tune/online.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <ctime>
#include <map>
#include <mutex>
#include <unordered_map>

#include "core/backend.h"
#include "core/registry.h"
#include "core/tune/decide.h"
#include "core/tune/worker.h"

namespace gems {

namespace {

constexpr size_t kMostBuckets = 4096;
constexpr int kMostVariants = 8;            // each may cost a compilation; backends list those with one knob turned first
constexpr int kMostMisses = 8;              // 50 ms, 100 ms, ... 6.4 s: no kernel compiles longer
constexpr int64_t kFirstRest = 50'000'000;  // ns
constexpr double kHopeless = 2;             // a candidate all of whose times are worse than this many times the best one's worst
constexpr int kBusyPoll = 50, kIdlePoll = 1000;  // ms

struct Candidate {
  int16_t id;
  bool dropped = false;
  int issued = 0, misses = 0;  // calls begun that weren't lost; calls for which there was no kernel
  int64_t not_before = 0;
  bool warm = false;  // its first time is left out: cold instructions, cold tables
  std::vector<double> us{};
};

}  // namespace

struct OnlineBucket {
  enum class Phase : uint8_t { counting, listing, measuring, decided };
  const gems_op_info* op;
  uint64_t hash;
  std::string text{};
  int device_type = 0;
  Phase phase = Phase::counting;
  bool ours = false;  // the heuristic's own kernel ran
  int16_t winner = kCandidateAuto;
  int calls = 0, quota = 2;
  std::vector<Candidate> candidates{};
};

namespace {

using Bucket = OnlineBucket;
using Phase = Bucket::Phase;

struct Finished {
  OnlineSample sample;
  void* end;
  double us;
  int there;  // as elapsed() says it: 1 the time, 0 not yet, -1 lost
};

struct State {
  std::mutex lock;
  OnlineOptions options;
  std::unordered_map<uint64_t, std::unique_ptr<Bucket>> buckets;
  std::vector<std::unique_ptr<Bucket>> old;  // of earlier starts: a thread may be inside a call
  std::vector<Finished> finished;            // not looked at yet
  std::vector<Bucket*> touched;              // to be judged anew
  std::vector<Choice> choices;               // decided, not in the table yet (or no more)
  std::vector<TuneRecord> records;           // not written yet
  std::map<int, TuneEnv> env;
  OnlineState count;
  uint64_t random = 0x9e3779b97f4a7c15ull;
  std::mutex collecting;  // one at a time
};
State& state() {
  static auto* s = new State;  // immortal: calls may come during process exit
  return *s;
}
std::atomic<bool> g_on{false};

thread_local OnlineSample t_parked;
thread_local int t_paused = 0;

int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Not the copy kernel, which several operators share (it has no ATen name): each has another native one. Custom operators have none.
// Who draws random numbers is not a matter of time. Of sorting and compaction several calls make one of the framework's.
bool measurable(const gems_op_info* op) {
  const family f = op_family(op);
  return op->aten[0] && !op->schema[0] && f != family::random && f != family::sort && f != family::compact;
}

// Families in which every result is computed by one thread from its own operands: no variant can change a number. (Indexing has
// operators that add up.)
bool order_free(const gems_op_info* op) {
  const family f = op_family(op);
  return f == family::pointwise || f == family::create || f == family::map;
}

void decide(State& s, Bucket& k, int16_t winner) {
  s.count.measuring -= k.phase == Phase::measuring;
  s.count.decided++;
  k.phase = Phase::decided;
  k.winner = winner;
  s.choices.push_back({k.op->name, k.hash, winner});
}

// What the bucket is measured for. Without a lock: the backend plans every variant, 10 to 100 us.
std::vector<Candidate> candidates_of(const gems_call& call, const gems_backend* b, bool waits) {
  std::vector<Candidate> all{{kCandidateNative}, {kCandidateOwn}};
  if (order_free(call.op)) {
    int16_t variants[kMostVariants];
    const int n = b->variants && !waits ? b->variants(&call, variants, kMostVariants) : 0;
    for (int i = 0; i < n; i++) all.push_back({variants[i]});
    if (call.t[0].device_type == GEMS_CPU && framework_threads() > 1) all.push_back({kCandidateSerial});
  }
  return all;
}

// The one with the fewest calls, by chance among equals: calls may alternate too.
int pick(State& s, Bucket& k, int64_t now) {
  int best = -1, ties = 0;
  for (size_t i = 0; i < k.candidates.size(); i++) {
    const Candidate& c = k.candidates[i];
    if (c.dropped || c.issued > k.quota || c.not_before > now) continue;
    if (best >= 0 && c.issued > k.candidates[best].issued) continue;
    if (best >= 0 && c.issued == k.candidates[best].issued) {
      s.random ^= s.random << 13, s.random ^= s.random >> 7, s.random ^= s.random << 17;  // xorshift64 (Marsaglia)
      if (s.random % static_cast<uint64_t>(++ties) != 0) continue;
    } else {
      ties = 1;
    }
    best = static_cast<int>(i);
  }
  return best;
}

void give_back(const OnlineSample& o) {
  if (o.mark) o.backend->elapsed(o.mark, nullptr, nullptr);
}
void lose(const OnlineSample& o) {
  give_back(o);
  State& s = state();
  std::lock_guard<std::mutex> guard(s.lock);
  o.bucket->candidates[static_cast<size_t>(o.candidate)].issued--;
}
void abandon_parked() {
  const OnlineSample o = t_parked;
  t_parked = {};
  if (o.bucket) lose(o);
}

void finish(const OnlineSample& o) {
  Finished f{o, nullptr, 0, 1};
  if (o.mark) {
    gems_call call;  // mark() looks at these alone
    call.stream = o.stream;
    call.t[0].device_type = o.device_type;
    call.t[0].device_index = o.device_index;
    f.end = o.backend->mark(&call);
    if (!f.end) return lose(o);
  } else {
    f.us = static_cast<double>(now_ns() - o.begin_ns) * 1e-3;
  }
  State& s = state();
  std::lock_guard<std::mutex> guard(s.lock);
  s.finished.push_back(f);
}

double median(std::vector<double>& us) { return quantile(us, 0.5); }

// Its round is complete: drops candidates, lengthens the race or ends it.
void judge(State& s, Bucket& k) {
  const auto at = [&](int16_t id) {
    return std::find_if(k.candidates.begin(), k.candidates.end(), [&](const Candidate& c) { return c.id == id; });
  };
  if (at(kCandidateOwn)->dropped && at(kCandidateOwn)->us.empty())
    return decide(s, k, kCandidateAuto);  // there is no kernel of ours
  std::vector<Candidate*> alive;
  for (Candidate& c : k.candidates)
    if (!c.dropped) alive.push_back(&c);
  for (const Candidate* c : alive)
    if (c->us.size() < static_cast<size_t>(k.quota)) return;
  std::sort(alive.begin(), alive.end(), [](Candidate* a, Candidate* b) { return median(a->us) < median(b->us); });
  const double worst_of_best = alive.front()->us.back();  // median() has sorted
  // Halved are variants only: own and native stay in the record, which has to hold good times of both.
  size_t variants = 0, left = 0;
  for (const Candidate* c : alive) variants += c->id > kCandidateOwn;
  for (Candidate* c : alive) {
    const bool hopeless = c->us.front() > kHopeless * worst_of_best;
    c->dropped = hopeless || (c->id > kCandidateOwn && ++left > (variants + 1) / 2 && variants > 1);
  }
  alive.erase(std::remove_if(alive.begin(), alive.end(), [](const Candidate* c) { return c->dropped; }), alive.end());
  const int longest = 2 * s.options.samples + 1;
  if (alive.size() > 1 && k.quota < s.options.samples) {
    k.quota = std::min(s.options.samples, 2 * k.quota);
    return;
  }
  // Two whose middle halves overlap are measured longer; then the medians have to do.
  if (alive.size() > 1 && k.quota < longest && quantile(alive[0]->us, 0.75) >= quantile(alive[1]->us, 0.25)) {
    k.quota = longest;
    return;
  }
  std::vector<std::pair<int16_t, double>> medians;
  const auto env = s.env.find(k.device_type);
  for (Candidate& c : k.candidates) {
    if (c.us.empty() || (c.dropped && c.id > kCandidateOwn)) continue;  // few times could be lucky ones
    const double m = median(c.us);
    medians.push_back({c.id, m});
    if (env == s.env.end()) continue;
    const double spread = c.us.size() < 4 || m <= 0 ? 0 : (quantile(c.us, 0.75) - quantile(c.us, 0.25)) / 2 / m;
    s.records.push_back({k.op->name, k.text, candidate_name(c.id), env->second.device, env->second.driver, env->second.compiler,
                         "", env->second.library, m, spread, static_cast<int64_t>(c.us.size()), std::time(nullptr)});
  }
  decide(s, k, best_candidate(medians));
}

int poll() {
  static int pause = kBusyPoll;
  pause = online_collect() ? kBusyPoll : std::min(kIdlePoll, 2 * pause);
  return online_state().measuring ? pause : -1;
}

}  // namespace

void online_start(const OnlineOptions& options) {
  if (in_forked_child()) return;
  online_stop();
  State& s = state();
  {
    std::lock_guard<std::mutex> guard(s.lock);
    s.options = options;
    s.count = {};
    for (auto& [hash, k] : s.buckets) {
      k->phase = Phase::decided;
      s.old.push_back(std::move(k));
    }
    s.buckets.clear();
  }
  g_on.store(true);
  watch_calls(true);
}
void online_stop() {
  if (g_on.exchange(false)) watch_calls(false);
}
void online_environment(int device_type, const TuneEnv& env) {
  if (in_forked_child()) return;  // there, another thread may have had the lock
  State& s = state();
  std::lock_guard<std::mutex> guard(s.lock);
  s.env[device_type] = env;
}

int16_t online_begin(const gems_call& call, const gems_backend* b, OnlineSample& o) {
  if (!g_on.load(std::memory_order_relaxed) || t_paused || !b || !measurable(call.op) || in_forked_child()) return kCandidateAuto;
  const uint64_t hash = bucket_hash(call), at = hash ^ (static_cast<uint64_t>(call.op->id) + 1) * 0x9e3779b97f4a7c15ull;
  if (t_parked.bucket) {
    // Asked a second time on the way to the native kernel: the same answer, the same sample.
    if (t_parked.bucket->op == call.op && t_parked.bucket->hash == hash) return kCandidateNative;
    abandon_parked();
  }
  State& s = state();
  const bool waits = b->jit_mode && b->jit_mode(-1) == GEMS_JIT_SYNC;
  bool admitted = false, decided = false;
  int16_t id;
  {
    std::unique_lock<std::mutex> guard(s.lock);
    const auto found = s.buckets.find(at);
    if (found == s.buckets.end() && s.buckets.size() >= kMostBuckets) return kCandidateAuto;
    std::unique_ptr<Bucket>& slot = found == s.buckets.end() ? s.buckets[at] : found->second;
    if (!slot) {
      slot = std::make_unique<Bucket>(Bucket{call.op, hash});
      s.count.buckets++;
    }
    Bucket& k = *slot;
    k.calls++;
    if (k.phase == Phase::counting && k.calls > s.options.calls) {
      // What would be compiled inside a call isn't tried there: the heuristic's choice stays.
      admitted = !waits || k.ours;
      decided = !admitted && k.calls > 64 * s.options.calls;
      if (decided) decide(s, k, kCandidateAuto);
      if (admitted) {
        k.phase = Phase::listing;
        guard.unlock();
        std::vector<Candidate> all = candidates_of(call, b, waits);
        std::string text = bucket_text(call);
        guard.lock();
        if (k.phase == Phase::listing) {  // else tuning has started afresh meanwhile
          k.candidates = std::move(all);
          k.text = std::move(text);
          k.device_type = call.t[0].device_type;
          k.phase = Phase::measuring;
          s.count.measuring++;
        }
      }
    } else if (k.phase == Phase::decided && k.calls % 64 == 0) {  // set_choices() has taken it away
      s.choices.push_back({k.op->name, k.hash, k.winner});
      decided = true;
    }
    id = k.winner;
    if (k.phase == Phase::counting) o.bucket = &k;
    if (k.phase == Phase::measuring && (o.candidate = pick(s, k, now_ns())) >= 0) {
      o.bucket = &k;
      Candidate& c = k.candidates[static_cast<size_t>(o.candidate)];
      id = c.id;
      c.issued++;
    }
  }
  if ((admitted || decided) && s.options.background) poll_in_background(&poll);
  if (o.candidate < 0) return id;
  o.backend = b;
  o.stream = call.stream;
  o.device_type = call.t[0].device_type;
  o.device_index = call.t[0].device_index;
  if (b->mark && b->elapsed) {
    if ((o.mark = b->mark(&call))) return id;
    lose(o);  // being captured
    o = {};
    return kCandidateAuto;
  }
  o.begin_ns = now_ns();
  return id;
}

void online_end(OnlineSample& o, gems_status status) {
  Bucket& k = *o.bucket;
  if (o.candidate >= 0 && status == GEMS_OK) return finish(o);
  if (o.candidate >= 0) give_back(o);
  State& s = state();
  std::lock_guard<std::mutex> guard(s.lock);
  if (o.candidate < 0) {
    k.ours = k.ours || status == GEMS_OK;
    return;
  }
  Candidate& c = k.candidates[static_cast<size_t>(o.candidate)];
  c.issued--;
  if (status != GEMS_UNSUPPORTED) return;
  // Its kernel is being compiled, and later calls ask again; without a compiler there is nothing to wait for.
  c.not_before = now_ns() + (kFirstRest << c.misses);
  c.dropped = ++c.misses >= kMostMisses || !o.backend->jit_mode;
  if (c.dropped) s.touched.push_back(&k);
}
void online_park(const OnlineSample& o) { t_parked = o; }

size_t online_collect() {
  if (in_forked_child()) return 0;
  State& s = state();
  std::lock_guard<std::mutex> one(s.collecting);
  std::vector<Finished> taken;
  std::vector<Bucket*> touched;
  std::vector<Choice> choices;
  std::vector<TuneRecord> records;
  std::vector<std::string> stores;
  size_t n = 0;
  {
    std::lock_guard<std::mutex> guard(s.lock);
    taken.swap(s.finished);
  }
  for (Finished& f : taken)
    if (f.sample.mark) f.there = f.sample.backend->elapsed(f.sample.mark, f.end, &f.us);
  {
    std::lock_guard<std::mutex> guard(s.lock);
    touched.swap(s.touched);
    for (const Finished& f : taken) {
      Bucket& k = *f.sample.bucket;
      Candidate& c = k.candidates[static_cast<size_t>(f.sample.candidate)];
      if (f.there == 0) s.finished.push_back(f);
      if (f.there < 0) c.issued--;
      if (f.there <= 0) continue;
      n++;
      if (c.warm) c.us.push_back(f.us);
      c.warm = true;
      touched.push_back(&k);
    }
    s.count.samples += static_cast<int64_t>(n);
    for (Bucket* k : touched)
      if (k->phase == Phase::measuring) judge(s, *k);
    choices.swap(s.choices);
    records.swap(s.records);
    stores = s.options.stores;
  }
  add_choices(choices);
  if (!records.empty())
    for (const std::string& place : stores) records_at(place).put(records);
  return n;
}

OnlineState online_state() {
  if (in_forked_child()) return {};
  State& s = state();
  std::lock_guard<std::mutex> guard(s.lock);
  return s.count;
}

OnlineNative::OnlineNative(const gems_op_info* op) {
  if (t_parked.bucket && t_parked.bucket->op != op) abandon_parked();
  sample_ = t_parked;
  t_parked = {};
  t_paused++;  // the native kernel may be made of operators that are ours
}
OnlineNative::~OnlineNative() {
  t_paused--;
  if (sample_.bucket) lose(sample_);
}
void OnlineNative::done() {
  if (sample_.bucket) finish(sample_);
  sample_ = {};
}

OnlinePause::OnlinePause() { t_paused++; }
OnlinePause::~OnlinePause() { t_paused--; }

}  // namespace gems
