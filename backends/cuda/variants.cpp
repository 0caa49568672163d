// Which variants of its kernel a call has: every combination of the family's knobs is planned as the call itself would be, without a
// kernel, and what would launch the same as the heuristic or an earlier one is dropped.
#include <string.h>

#include <algorithm>

#include "backends/cuda/check.h"
#include "backends/cuda/internal.h"
#include "gems/op.h"

namespace gems::cuda {
namespace {

// How many values each knob has; what they mean is said at the family's planner.
gems_knobs knobs_of(const gems_op_info* op) {
  switch (static_cast<family>(op->family)) {  // {tile, unroll, block, split}
    case family::pointwise:
    case family::copy: return {4, 4, 3, 0};  // plan_pointwise.cpp, geometry.h
    case family::reduce: return {4, 0, 4, 5};
    case family::row: return {7, 3, 4, 0};
    case family::scan: return {5, 0, 4, 4};
    case family::index: return {3, 4, 3, 0};
    case family::create:
    case family::map:
    case family::random:
    case family::sort:
    case family::compact: return {0, 0, 0, 0};
    case family::matmul: return {7, 5, 0, 4};
    case family::fused: return *op->roles ? gems_knobs{7, 3, 4, 0} : gems_knobs{4, 4, 3, 0};
  }
  return {0, 0, 0, 0};
}
constexpr int kMost = 30;  // variants of a call: what a tuner can measure

// A call on a device without kernels, planned again and again.
class Planner {
 public:
  explicit Planner(const gems_call& c) {
    const DeviceState* s = device_state((unsigned char)c.t[0].device_index);
    if (!s) return;
    static_cast<Device&>(device_) = *s;
    probe_.device = &device_;
    const int n = c.nout + c.nin;
    memcpy(&call_, &c, offsetof(gems_call, t) + sizeof(gems_tensor) * n);  // all that is set but `it`
    call_.it = c.it;
    for (int k = 0; k < n; k++)
      if (call_.t[k].device_index == c.t[0].device_index) call_.t[k].device_index = kProbeDevice;
    call_.stream = const_cast<char*>(&kCollect);
  }
  // False: the planner refuses the call, or nothing would be launched.
  bool plan(int16_t candidate) {
    probe_.kernels.clear();
    probe_.launches.clear();
    if (!probe_.device) return false;
    call_.candidate = candidate;
    if (candidate & GEMS_VARIANT && !declared(&call_)) return unsupported("this operator's kernels have no such variant"), false;
    ThreadState& t = thread_state();
    const gems_call* const before = t.call;
    t.call = &call_;
    t.probe = &probe_;
    const gems_status r = dispatch(&call_);
    t.call = before;
    t.probe = nullptr;
    return r == GEMS_OK && !probe_.launches.empty();
  }
  const std::vector<Probe::Launch>& launches() const { return probe_.launches; }
  int sm_count() const { return device_.sm_count; }

 private:
  DeviceState device_;
  Probe probe_{};
  gems_call call_;
};

bool same(const std::vector<Probe::Launch>& a, const std::vector<Probe::Launch>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Probe::Launch& x, const Probe::Launch& y) {
    return !memcmp(&x.key, &y.key, sizeof x.key) && x.gx == y.gx && x.gy == y.gy && x.gz == y.gz && x.block == y.block &&
           x.smem == y.smem;
  });
}

// All combinations of which `turned` knobs aren't 0, in order.
template <class F> void each_combination(gems_knobs count, int turned, F f) {
  gems_knobs k;
  for (k.tile = 0; k.tile <= count.tile; k.tile++)
    for (k.unroll = 0; k.unroll <= count.unroll; k.unroll++)
      for (k.block = 0; k.block <= count.block; k.block++)
        for (k.split = 0; k.split <= count.split; k.split++)
          if (!!k.tile + !!k.unroll + !!k.block + !!k.split == turned) f(k);
}

}  // namespace

bool declared(const gems_call* call) {
  const gems_knobs k = gems_knobs_of(call->candidate), has = knobs_of(call->op);
  return k.tile <= has.tile && k.unroll <= has.unroll && k.block <= has.block && k.split <= has.split;
}

int variants(const gems_call* call, int16_t* candidates, int cap) {
  Planner planner(*call);
  constexpr int16_t kOwn = 2;
  if (!planner.plan(kOwn)) return 0;
  std::vector<std::vector<Probe::Launch>> seen{planner.launches()};
  int64_t blocks = 0;
  for (const Probe::Launch& l : seen[0]) blocks += int64_t(l.gx) * l.gy * l.gz;
  // A call that doesn't fill the device is bound by its launch: one knob at a time is enough.
  const int most_turned = blocks < planner.sm_count() ? 1 : 3;
  int n = 0;
  for (int turned = 1; turned <= most_turned; turned++) {
    std::vector<int16_t> found;
    each_combination(knobs_of(call->op), turned, [&](gems_knobs k) {
      if (!planner.plan(gems_variant(k))) return;
      const auto& plan = planner.launches();
      if (std::any_of(seen.begin(), seen.end(), [&](const auto& other) { return same(plan, other); })) return;
      seen.push_back(plan);
      found.push_back(gems_variant(k));
    });
    // More than there is room for: evenly spread ones.
    const size_t room = size_t(std::max(0, std::min(cap, kMost) - n)), taken = std::min(room, found.size());
    for (size_t i = 0; i < taken; i++) candidates[n++] = found[i * found.size() / taken];
    if (taken == room) break;
  }
  return n;
}

}  // namespace gems::cuda

int gems_cuda_plan(const gems_call* call, gems_cuda_launch* launches, int cap) {
  gems::cuda::Planner planner(*call);
  if (!planner.plan(call->candidate)) return -1;
  int n = 0;
  for (const auto& l : planner.launches()) {
    if (n < cap) launches[n] = {{l.key.w[0], l.key.w[1], l.key.w[2]}, {l.gx, l.gy, l.gz}, l.block, l.smem};
    n++;
  }
  return n;
}
