// nll_loss of x[n, c, p] at classes target[n, p], and its gradient. par: reduction (0 none, 1 mean, 2 sum), ignored class, classes, points
// behind a class. Everything is dense; sums are formed in double, by blocks of a fixed size in their order.
#include <atomic>

#include "backends/cpu/block.h"

namespace gems::cpu {

namespace {

constexpr int64_t kBlock = 1024;
enum { kNone, kMean, kSum };

struct Nll {
  int64_t reduction, ignored, classes, points, n;  // n: targets
  const int64_t* target;
  const double* weight;  // null: 1

  explicit Nll(const gems_call* call, const gems_tensor& t)
      : reduction(call->par[0].i),
        ignored(call->par[1].i),
        classes(call->par[2].i),
        points(call->par[3].i),
        n(t.numel),
        target(static_cast<const int64_t*>(t.data)),
        weight(nullptr) {}
  // f(i, offset of target first + i's element) for those that count; true: a class out of range, left out.
  template <class F> bool each(int64_t first, int64_t len, F f) const {
    const int64_t sample = first / points;
    int64_t p = first % points, at = sample * classes * points + p;
    bool bad = false;
    for (int64_t i = 0; i < len; i++) {
      const int64_t t = target[first + i];
      const bool in_range = static_cast<uint64_t>(t) < static_cast<uint64_t>(classes);
      bad |= t != ignored && !in_range;
      if (t != ignored && in_range) f(i, at + t * points);
      at++;
      if (++p == points) p = 0, at += (classes - 1) * points;
    }
    return bad;
  }
  double weight_of(int64_t i) const { return weight ? weight[target[i]] : 1; }
};

// n dense elements in double; `buffer` has room for them.
const double* in_double(const gems_tensor& t, int64_t first, int64_t n, double* buffer) {
  const char* from = static_cast<const char*>(t.data) + first * dtype_size(t.dtype);
  if (t.dtype == GEMS_F64) return reinterpret_cast<const double*>(from);
  convert_fn(t.dtype, GEMS_F64)(from, buffer, static_cast<size_t>(n));
  return buffer;
}
void from_double(const double* x, const gems_tensor& t, int64_t first, int64_t n) {
  char* to = static_cast<char*>(t.data) + first * dtype_size(t.dtype);
  if (t.dtype == GEMS_F64) std::memcpy(to, x, static_cast<size_t>(n) * 8);
  else convert_fn(GEMS_F64, t.dtype)(x, to, static_cast<size_t>(n));
}

const double* weights(const gems_tensor& w, int64_t classes, Scratch& scratch) {
  if (w.flags & GEMS_T_ABSENT) return nullptr;
  return in_double(w, 0, classes, reinterpret_cast<double*>(scratch.take(static_cast<size_t>(classes) * 8)));
}

}  // namespace

gems_status nll_loss(const gems_call* call) {
  const gems_tensor &out = call->t[0], &total = call->t[1], &x = call->t[2], &w = call->t[4];
  Nll p(call, call->t[3]);
  std::atomic<bool> bad{false};
  Scratch kept, sums;
  p.weight = weights(w, p.classes, kept);
  const int64_t size = dtype_size(x.dtype), blocks = (p.n + kBlock - 1) / kBlock;
  double* partial = reinterpret_cast<double*>(sums.take(static_cast<size_t>(blocks) * 16));
  parallel_items(blocks, kBlock * 64, [&](int64_t begin, int64_t end) {  // 64: a cache line an element
    alignas(64) char raw[kBlock * 8];
    alignas(64) double value[kBlock], wide[kBlock];
    for (int64_t b = begin; b < end; b++) {
      const int64_t first = b * kBlock, len = std::min(kBlock, p.n - first);
      auto take = [&](auto* to, const auto* from) {
        std::memset(to, 0, static_cast<size_t>(len * size));
        if (p.each(first, len, [&](int64_t i, int64_t at) { to[i] = from[at]; })) bad = true;
      };
      if (size == 2) take(reinterpret_cast<uint16_t*>(raw), static_cast<const uint16_t*>(x.data));
      else if (size == 4) take(reinterpret_cast<uint32_t*>(raw), static_cast<const uint32_t*>(x.data));
      else take(reinterpret_cast<uint64_t*>(raw), static_cast<const uint64_t*>(x.data));
      gems_tensor block = x;
      block.data = raw;
      const double* v = in_double(block, 0, len, wide);
      if (bad.load(std::memory_order_relaxed)) return;
      double loss = 0, weight = 0;
      for (int64_t i = 0; i < len; i++) {
        const bool counts = p.target[first + i] != p.ignored;
        const double f = counts ? p.weight_of(first + i) : 0;
        value[i] = counts ? -f * v[i] : 0;
        loss += value[i];
        weight += f;
      }
      if (p.reduction == kNone) from_double(value, out, first, len);
      partial[2 * b] = loss;
      partial[2 * b + 1] = weight;
    }
  });
  if (bad) return unsupported("a class out of range");  // the native kernel raises torch's error
  double loss = 0, weight = 0;
  for (int64_t b = 0; b < blocks; b++) loss += partial[2 * b], weight += partial[2 * b + 1];
  if (p.reduction == kNone) {
    weight = 0;
  } else {
    if (p.reduction == kMean) loss /= weight;
    from_double(&loss, out, 0, 1);
  }
  from_double(&weight, total, 0, 1);
  return GEMS_OK;
}

gems_status nll_loss_backward(const gems_call* call) {
  const gems_tensor &out = call->t[0], &grad = call->t[1], &w = call->t[3], &total = call->t[4];
  Nll p(call, call->t[2]);
  std::atomic<bool> bad{false};
  Scratch kept;
  p.weight = weights(w, p.classes, kept);
  double one, buffer;
  const bool each = p.reduction == kNone;
  const double scale = each ? 1 : *in_double(grad, 0, 1, &one) / (p.reduction == kMean ? *in_double(total, 0, 1, &buffer) : 1);
  const int64_t size = dtype_size(out.dtype), sample = p.classes * p.points, samples = p.n / p.points;
  // A thread clears its samples and puts in their gradients while the lines are near.
  parallel_items(samples, sample * size, [&](int64_t begin, int64_t end) {
    alignas(64) char raw[kBlock * 8];
    alignas(64) double value[kBlock], wide[kBlock];
    for (int64_t s = begin; s < end;) {
      const int64_t rows = std::clamp<int64_t>(131072 / (sample * size), 1, std::min(end - s, kBlock));
      std::memset(static_cast<char*>(out.data) + s * sample * size, 0, static_cast<size_t>(rows * sample * size));
      for (int64_t first = s * p.points; first < (s + rows) * p.points; first += kBlock) {
        const int64_t len = std::min(kBlock, (s + rows) * p.points - first);
        const double* g = each ? in_double(grad, first, len, wide) : nullptr;
        for (int64_t i = 0; i < len; i++) value[i] = each ? -g[i] : -scale;
        if (p.weight) p.each(first, len, [&](int64_t i, int64_t) { value[i] *= p.weight_of(first + i); });
        gems_tensor block = out;
        block.data = raw;
        from_double(value, block, 0, len);
        auto put = [&](auto* to, const auto* from) {
          if (p.each(first, len, [&](int64_t i, int64_t at) { to[at] = from[i]; })) bad = true;
        };
        if (size == 2) put(static_cast<uint16_t*>(out.data), reinterpret_cast<const uint16_t*>(raw));
        else if (size == 4) put(static_cast<uint32_t*>(out.data), reinterpret_cast<const uint32_t*>(raw));
        else put(static_cast<uint64_t*>(out.data), reinterpret_cast<const uint64_t*>(raw));
      }
      s += rows;
    }
  });
  if (bad) return unsupported("a class out of range");
  return GEMS_OK;
}

}  // namespace gems::cpu
