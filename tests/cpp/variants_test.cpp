// Variants of the CPU backend's kernels: which are listed, that they run as announced with the same numbers, and what is refused.
#include <set>

#include "core/tune/choices.h"
#include "tests/cpp/family_test.h"

namespace gems::test {
namespace {

struct Sample {
  const char* name;
  gems_call call;
  Tensor* out;
  double tolerance;
  std::set<std::string> least;  // variants that the call must have with 8 threads
};

gems_call numbers(gems_call c, double value) {
  c.npar = c.op->par;
  for (int i = 0; i < c.npar; i++) c.par[i].d = value;
  return c;
}
gems_call pointwise(const char* op, Tensor& out, Tensor& a, Tensor& b) {
  gems_call c = numbers(make_call(op, {out.ref()}, {a.ref(), b.ref()}, GEMS_F32), 1);
  EXPECT_EQ(build_pointwise(c), Plan::ok) << plan_reason();
  return c;
}
gems_call sum(Tensor& out, Tensor& in, uint64_t dims) {
  gems_call c = make_call("sum", {out.ref()}, {in.ref()}, GEMS_F32);
  Reduction r;
  r.dims = dims;
  EXPECT_EQ(build_reduce(c, r, false), Plan::ok) << plan_reason();
  return c;
}
gems_call row(const char* op, Tensor& out, Tensor& in, int dim) {
  gems_call c = numbers(make_call(op, {out.ref()}, {in.ref()}, GEMS_F32), 0);
  EXPECT_EQ(build_row(c, dim, 1), Plan::ok) << plan_reason();
  return c;
}
gems_call product(Tensor& out, Tensor& a, Tensor& b) {
  gems_call c = make_call("mm", {out.ref()}, {absent(), a.ref(), b.ref()}, GEMS_F32);
  c.npar = 2;
  c.par[0].d = 0;
  c.par[1].d = 1;
  return c;
}

std::vector<Sample> samples() {
  static Tensor x(GEMS_F32, {512, 1024}), y(GEMS_F32, {512, 1024}), out(GEMS_F32, {512, 1024}), half(GEMS_BF16, {512, 1024}),
      half_out(GEMS_BF16, {512, 1024}), sums(GEMS_F32, {1024}), narrow(GEMS_F32, {8192, 64}), narrow_out(GEMS_F32, {8192, 64}),
      f16(GEMS_F16, {512, 1024}), rows(GEMS_F32, {512}), a(GEMS_F32, {600, 256}), b(GEMS_F32, {256, 1024}),
      ab(GEMS_F32, {600, 1024}), few(GEMS_F32, {4, 256}), thin(GEMS_F32, {4, 1024});
  uint64_t seed = 1;
  for (Tensor* t : {&x, &y, &half, &narrow, &f16, &a, &b, &few}) t->fill(-1, 1, seed++);
  const std::set<std::string> threads{"own:split=2", "own:split=3"};  // 2 and 4 of 8
  auto with = [&](std::set<std::string> more) {
    more.insert(threads.begin(), threads.end());
    return more;
  };
  return {
      {"add", pointwise("add", out, x, y), &out, 0, threads},
      {"add of bfloat16", pointwise("add", half_out, half, half), &half_out, 0, with({"own:block=1", "own:block=2"})},
      {"sum of rows", sum(rows, f16, 2), &rows, 1e-4, with({"own:block=1", "own:block=4"})},
      {"sum of columns", sum(sums, f16, 1), &sums, 1e-4, with({"own:block=1"})},
      {"softmax", row("softmax", narrow_out, narrow, 1), &narrow_out, 0, with({"own:block=1", "own:block=4"})},
      {"cumsum", row("cumsum", out, x, 1), &out, 1e-4, threads},
      {"mm", product(ab, a, b), &ab, 1e-4, with({"own:tile=1", "own:tile=6"})},
      {"mm of few rows", product(thin, few, b), &thin, 1e-4, {"own:split=2", "own:tile=6"}},
  };
}

std::set<std::string> listed(const gems_call& c) {
  int16_t all[64];
  const int n = cpu()->variants(&c, all, 64);
  std::set<std::string> names;
  for (int i = 0; i < n; i++) EXPECT_TRUE(names.insert(candidate_name(all[i])).second) << candidate_name(all[i]) << " twice";
  return names;
}

TEST_P(Family, VariantsHaveTheNumbersOfTheHeuristic) {
  g_threads = 8;
  for (Sample& s : samples()) {
    SCOPED_TRACE(s.name);
    const gems_status status = [&] {
      s.call.candidate = kCandidateOwn;
      return cpu()->run(&s.call);
    }();
    ASSERT_EQ(status, GEMS_OK) << cpu()->last_error();
    const std::vector<double> want = s.out->values();
    const std::set<std::string> names = listed(s.call);
    for (const std::string& wanted : s.least) EXPECT_TRUE(names.count(wanted)) << wanted;
    EXPECT_FALSE(names.count("own"));
    for (const std::string& name : names) {
      s.out->fill(7, 8);
      s.call.candidate = candidate_of_name(name);
      g_pieces = 0;
      ASSERT_EQ(cpu()->run(&s.call), GEMS_OK) << name << ": " << cpu()->last_error();
      const int split = gems_knobs_of(s.call.candidate).split;
      if (split) { EXPECT_EQ(g_pieces, 1 << (split - 1)) << name; }
      for (int64_t i = 0; i < s.out->numel(); i++) ASSERT_TRUE(close(s.out->at(i), want[i], s.tolerance)) << name << " at " << i;
    }
    // A variant of no knob is the heuristic, and what it left behind is gone: all threads again.
    s.call.candidate = GEMS_VARIANT;
    ASSERT_EQ(cpu()->run(&s.call), GEMS_OK);
    EXPECT_EQ(s.out->values(), want);
    if (std::string(s.name) == "add") { EXPECT_EQ(g_pieces, 8); }
  }
}

TEST_P(Family, FewVariantsOfSmallCalls) {
  g_threads = 8;
  Tensor x(GEMS_F32, {64}), y(GEMS_F32, {64}), out(GEMS_F32, {64});
  EXPECT_TRUE(listed(pointwise("add", out, x, y)).empty());
  g_threads = 1;  // nothing to share, and float32 isn't copied in blocks
  Tensor large(GEMS_F32, {1 << 20}), large_out(GEMS_F32, {1 << 20});
  EXPECT_TRUE(listed(pointwise("add", large_out, large, large)).empty());
}

TEST_P(Family, WhatACallCannotHaveIsRefused) {
  for (Sample& s : samples()) {
    SCOPED_TRACE(s.name);
    const bool mm = s.call.op->family == static_cast<uint8_t>(family::matmul);
    s.out->fill(7, 8);
    const std::vector<double> before = s.out->values();
    for (const char* name : {"own:unroll=1", mm ? "own:block=1" : "own:tile=1", mm ? "own:tile=7" : "own:block=5"}) {
      s.call.candidate = candidate_of_name(name);
      EXPECT_EQ(cpu()->run(&s.call), GEMS_UNSUPPORTED) << name;
      EXPECT_NE(std::string(cpu()->last_error()), "");
    }
    if (std::string(s.name) == "mm of few rows") {
      s.call.candidate = candidate_of_name("own:tile=1");  // blocks of a kernel that it doesn't get
      EXPECT_EQ(cpu()->run(&s.call), GEMS_UNSUPPORTED);
    }
    EXPECT_EQ(s.out->values(), before);
  }
}

GEMS_EVERY_INSTRUCTION_SET;

}  // namespace
}  // namespace gems::test
