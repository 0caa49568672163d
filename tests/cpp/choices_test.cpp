// What tuning decided, as calls see it.
#include "core/tune/choices.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <new>
#include <set>
#include <string>
#include <thread>

#include "core/plan/plan.h"
#include "core/registry.h"

namespace {
thread_local long t_allocations = 0;
}
void* operator new(size_t n) {
  t_allocations++;
  if (void* p = std::malloc(n)) return p;
  throw std::bad_alloc();
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, size_t) noexcept { std::free(p); }

namespace gems {
namespace {

struct Call {
  gems_call c{};
  int64_t size, stride = 1;
  Call(const char* op, int64_t n, int dtype = GEMS_F32) : size(n) {
    c.op = op_find(op);
    c.nout = 1;
    c.nin = c.op->in;
    c.compute = GEMS_F32;
    for (int k = 0; k <= c.nin; k++) {
      gems_tensor& t = c.t[k];
      t.data = reinterpret_cast<void*>(uintptr_t(k + 1) << 32);
      t.sizes = &size;
      t.strides = &stride;
      t.numel = n;
      t.ndim = 1;
      t.dtype = static_cast<int8_t>(dtype);
      t.flags = GEMS_T_CONTIGUOUS;
    }
    build_pointwise(c);
  }
};

TEST(Choices, HoldForTheirBucketAlone) {
  Call a("relu", 1000), alike("relu", 1024), longer("relu", 1025), half("relu", 1000, GEMS_F16), other("neg", 1000);
  EXPECT_EQ(choice_for(a.c), kCandidateAuto);
  EXPECT_EQ(set_choices({{"relu", bucket_hash(a.c), kCandidateNative}, {"no such operator", 1, kCandidateNative}}), 1u);
  EXPECT_EQ(choice_for(a.c), kCandidateNative);
  EXPECT_EQ(choice_for(alike.c), kCandidateNative);
  EXPECT_EQ(choice_for(longer.c), kCandidateAuto);
  EXPECT_EQ(choice_for(half.c), kCandidateAuto);
  EXPECT_EQ(choice_for(other.c), kCandidateAuto);
  EXPECT_EQ(set_choices({}), 0u);
  EXPECT_EQ(choice_for(a.c), kCandidateAuto);
}

TEST(Choices, TextEndsWithTheHash) {
  Call a("add", 1000);
  const std::string text = bucket_text(a.c);
  EXPECT_EQ(text.substr(0, text.rfind('#')), "float32,float32>float32 numel<=1024 inner<=1024 rank=1 dense ");
  EXPECT_EQ(std::stoull(text.substr(text.rfind('#') + 1), nullptr, 16), bucket_hash(a.c));
}

TEST(Choices, MatrixProductsByTheirWeights) {
  const auto product = [](int64_t m, int64_t n, int64_t k, bool by_rows) {
    static int64_t sizes[3][2], strides[3][2];
    gems_call c{};
    c.op = op_find("mm");
    c.nout = 1;
    c.nin = 3;
    c.t[1].flags = GEMS_T_ABSENT;
    const int64_t s[3][2] = {{m, n}, {m, k}, {k, n}};
    const int at[3] = {0, 2, 3};
    for (int i = 0; i < 3; i++) {
      for (int d = 0; d < 2; d++) sizes[i][d] = s[i][d];
      strides[i][0] = i == 2 && !by_rows ? 1 : s[i][1];
      strides[i][1] = i == 2 && !by_rows ? s[i][0] : 1;
      c.t[at[i]].sizes = sizes[i];
      c.t[at[i]].strides = strides[i];
      c.t[at[i]].ndim = 2;
    }
    return bucket_hash(c);
  };
  EXPECT_EQ(product(9, 4096, 512, true), product(16, 4096, 512, true));
  EXPECT_NE(product(9, 4096, 512, true), product(17, 4096, 512, true));
  EXPECT_NE(product(9, 4096, 512, true), product(9, 4097, 512, true));
  EXPECT_NE(product(9, 4096, 512, true), product(9, 4096, 512, false));
}

int64_t g_matrix[] = {64, 32}, dense[] = {32, 1}, row[] = {0, 1}, column[] = {1, 0}, apart[] = {64, 2};
std::unique_ptr<Call> sum_with(int64_t* strides) {
  auto call = std::make_unique<Call>("add", 64 * 32);
  for (int k = 0; k < 3; k++) {
    gems_tensor& t = call->c.t[k];
    t.sizes = g_matrix;
    t.strides = k == 2 ? strides : dense;
    t.ndim = 2;
    t.flags = k == 2 && strides != dense ? 0 : GEMS_T_CONTIGUOUS;
  }
  build_pointwise(call->c);
  return call;
}

TEST(Choices, RowsAndColumnsThatAreBroadcastDiffer) {
  std::set<uint64_t> hashes;
  std::set<std::string> texts;
  for (int64_t* strides : {dense, row, column, apart}) {
    const auto call = sum_with(strides);
    hashes.insert(bucket_hash(call->c));
    const std::string text = bucket_text(call->c);
    texts.insert(text.substr(0, text.rfind('#')));
  }
  EXPECT_EQ(hashes.size(), 4u);
  EXPECT_EQ(texts.size(), 4u);
}

TEST(Choices, ManyBucketsAreFoundAgain) {
  std::vector<Choice> all;
  for (uint64_t i = 1; i <= 5000; i++) all.push_back({"relu", i * 0x9e3779b97f4a7c15ull, kCandidateOwn});
  Call a("relu", 64);
  all.push_back({"relu", bucket_hash(a.c), kCandidateNative});
  EXPECT_EQ(set_choices(all), all.size());
  EXPECT_EQ(choice_for(a.c), kCandidateNative);
  set_choices({});
}

TEST(Choices, WhatIsAddedNeverReplaces) {
  Call a("relu", 64), b("relu", 4096), c("neg", 64);
  EXPECT_EQ(set_choices({{"relu", bucket_hash(a.c), kCandidateNative}}), 1u);
  EXPECT_EQ(add_choices({{"relu", bucket_hash(a.c), kCandidateOwn},
                         {"relu", bucket_hash(b.c), kCandidateOwn},
                         {"neg", bucket_hash(c.c), kCandidateNative},
                         {"relu", bucket_hash(b.c), kCandidateNative}}),
            2u);
  EXPECT_EQ(choice_for(a.c), kCandidateNative);
  EXPECT_EQ(choice_for(b.c), kCandidateOwn);
  EXPECT_EQ(choice_for(c.c), kCandidateNative);
  set_choices({});
}

// Readers beside a writer whose table grows: what was decided stays decided.
TEST(Choices, AreReadWhileOthersAreAdded) {
  Call a("relu", 64);
  set_choices({{"relu", bucket_hash(a.c), kCandidateNative}});
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::vector<std::thread> readers;
  for (int t = 0; t < 2; t++)
    readers.emplace_back([&] {
      while (!stop) wrong += choice_for(a.c) != kCandidateNative;
    });
  for (uint64_t i = 1; i <= 3000; i++) add_choices({{"relu", i * 0x9e3779b97f4a7c15ull, kCandidateOwn}});
  stop = true;
  for (std::thread& t : readers) t.join();
  EXPECT_EQ(wrong, 0);
  set_choices({});
}

TEST(Choices, ForcedAndTraced) {
  Call a("relu", 64);
  EXPECT_FALSE(tuning_watches());
  trace_buckets(true);
  force_candidate(kCandidateOwn);
  EXPECT_TRUE(tuning_watches());
  EXPECT_EQ(watched_candidate(a.c), kCandidateOwn);
  force_candidate(kCandidateAuto);
  EXPECT_EQ(watched_candidate(a.c), kCandidateNone);
  const auto seen = trace_buckets(false);
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[0].op, "relu");
  EXPECT_EQ(seen[0].bucket, bucket_text(a.c));
  EXPECT_EQ(seen[0].candidates.front(), "own");
  EXPECT_FALSE(tuning_watches());
}

TEST(Choices, NamesOfCandidates) {
  for (const int16_t c : {kCandidateAuto, kCandidateNative, kCandidateOwn, kCandidateSerial})
    EXPECT_EQ(candidate_of_name(candidate_name(c)), c);
  for (int code = 1; code < 1 << 12; code++) {
    const auto c = static_cast<int16_t>(GEMS_VARIANT | code);
    EXPECT_EQ(candidate_of_name(candidate_name(c)), c);
  }
  EXPECT_EQ(candidate_name(gems_variant({2, 0, 0, 1})), "own:tile=2,split=1");
  for (const char* wrong :
       {"", "own:", "own:tile", "own:tile=", "own:tile=0", "own:tile=8", "own:tile=12", "own:hue=1", "own:tile=1;"})
    EXPECT_EQ(candidate_of_name(wrong), -1) << wrong;
}

TEST(Choices, ALookUpAllocatesNothing) {
  Call a("add", 64), plain("neg", 64);
  set_choices({{"add", bucket_hash(a.c), kCandidateOwn}});
  const long before = t_allocations;
  int sum = 0;
  for (int i = 0; i < 100; i++) sum += choice_for(a.c) + choice_for(plain.c) + watched_candidate(a.c);
  EXPECT_EQ(t_allocations, before);
  EXPECT_EQ(sum, 100 * 2 * kCandidateOwn);
  bucket_text(a.c);
  EXPECT_GT(t_allocations, before);  // they are counted
  set_choices({});
}

// Prints the cost (goal: 20 ns), asserts nothing about it: the machine is shared.
TEST(Choices, CostOfALookUp) {
  Call a("add", 64), plain("neg", 64);
  set_choices({{"add", bucket_hash(a.c), kCandidateOwn}});
  const auto measure = [](const char* name, const gems_call& c, int16_t (*look)(const gems_call&)) {
    double best = 1e9;
    for (int r = 0; r < 20; r++) {
      const auto start = std::chrono::steady_clock::now();
      int sum = 0;
      for (int i = 0; i < 100000; i++) {
        sum += look(c);
        asm volatile("" : "+r"(sum));
      }
      best = std::min(best, std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count() / 100000);
    }
    std::printf("%s: %.1f ns\n", name, best);
  };
  measure("decided operator", a.c, choice_for);
  measure("operator without decisions", plain.c, choice_for);
  measure("decided operator, in mode online", a.c, watched_candidate);
  measure("decided operator, with a row that is broadcast", sum_with(row)->c, choice_for);
  set_choices({});
}

}  // namespace
}  // namespace gems
