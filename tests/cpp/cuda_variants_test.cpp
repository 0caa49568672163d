// Variants of the CUDA backend's kernels against a recorded driver (fake_cuda.cpp): which a call lists, that it launches what was
// planned, and what it refuses. That their texts compile is for nvrtc_check --variants, their numbers for tests/simt and test_variants.py.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "backends/cuda/check.h"
#include "core/backend.h"
#include "core/plan/plan.h"
#include "core/registry.h"
#include "core/tune/choices.h"
#include "tests/cpp/fake_cuda.h"

namespace gems {
namespace {

typedef std::vector<int64_t> Ints;

// A call on made-up memory, of bfloat16 but where it says otherwise.
struct Call {
  gems_call c{};
  Ints sizes[GEMS_MAX_OPERANDS], strides[GEMS_MAX_OPERANDS];
  explicit Call(const char* op, int compute = GEMS_F32) {
    c.op = op_find(op);
    c.npar = c.op->par;
    c.compute = static_cast<int8_t>(compute);
    c.stream = reinterpret_cast<void*>(0x77);
    for (int i = 0; i < c.npar; i++) c.par[i].d = 1;
    c.nout = c.op->out;
  }
  Call(const Call&) = delete;
  Call& add(Ints size, Ints stride = {}, int dtype = GEMS_BF16) {
    const int k = n_++;
    c.nin = n_ - c.nout;
    if (stride.empty()) {
      stride.resize(size.size());
      int64_t s = 1;
      for (size_t d = size.size(); d-- > 0;) stride[d] = s, s *= size[d];
      c.t[k].flags = GEMS_T_CONTIGUOUS;
    }
    sizes[k] = size, strides[k] = stride;
    gems_tensor& t = c.t[k];
    t.data = reinterpret_cast<void*>(uintptr_t(k + 1) << 36);
    t.sizes = sizes[k].data(), t.strides = strides[k].data(), t.ndim = static_cast<int>(size.size());
    t.numel = 1;
    for (int64_t s : size) t.numel *= s;
    t.dtype = static_cast<int8_t>(dtype);
    t.device_type = GEMS_CUDA;
    return *this;
  }
  Call& absent() {
    add({1});
    c.t[n_ - 1].flags = GEMS_T_ABSENT;
    return *this;
  }
  Call& built(Plan p) {
    EXPECT_EQ(p, Plan::ok) << plan_reason();
    return *this;
  }

 private:
  int n_ = 0;
};

struct Case {
  const char* name;
  std::function<void(std::function<void(Call&)>)> with;  // makes the call and hands it over
  size_t least;                                          // distinct variants
  int launches;                                          // of the heuristic
  std::vector<const char*> refused, has;
};

void reduction(Call& c, uint64_t dims) {
  Reduction r;
  r.dims = dims;
  c.built(build_reduce(c.c, r, false));
}

const std::vector<Case>& cases() {
  typedef std::function<void(Call&)> F;
  static const std::vector<Case> all = {
      {"add",
       [](F f) {
         Call c("add");
         c.add({1 << 24}).add({1 << 24}).add({1 << 24});
         f(c.built(build_pointwise(c.c)));
       },
       16,
       1,
       {"own:split=1", "own:tile=4", "own:block=4", "own:tile=3,unroll=4"},
       {"own:block=1", "own:unroll=3", "own:tile=3"}},
      {"add of a row",
       [](F f) {
         Call c("add");
         c.add({4096, 4096}).add({4096, 4096}).add({4096, 4096}, {0, 1});
         f(c.built(build_pointwise(c.c)));
       },
       16,
       1,
       {"own:split=1", "own:tile=4"},
       {"own:block=3", "own:unroll=4"}},
      {"copy of a transposed matrix",
       [](F f) {
         Call c("copy");
         c.add({4096, 4096}).add({4096, 4096}, {1, 4096});
         f(c.built(build_pointwise(c.c)));
       },
       2,
       1,
       {"own:unroll=1", "own:block=1", "own:split=1"},
       {"own:tile=1", "own:tile=4"}},
      {"embedding",
       [](F f) {
         Call c("embedding", GEMS_I64);
         c.add({512, 4096}).add({512, 4096}, {0, 1}).add({512, 4096}, {1, 0}, GEMS_I64);
         c.c.npar = 2, c.c.par[0].i = 4096, c.c.par[1].i = 32000;
         const int64_t sizes[] = {512, 4096}, out[] = {4096, 1}, self[] = {0, 1}, index[] = {1, 0};
         const int64_t* strides[] = {out, self, index};
         f(c.built(build_index(c.c, 2, sizes, strides)));
       },
       16,
       1,
       {"own:split=1", "own:tile=4"},
       {"own:block=1", "own:unroll=1", "own:tile=1"}},
      {"embedding_dense_backward",
       [](F f) {
         Call c("embedding_dense_backward");
         c.add({32000, 4096}).add({512, 4096}).add({512}, {}, GEMS_I64);
         c.c.par[0].i = -1;
         f(c);
       },
       6,
       2,
       {"own:unroll=1"},
       {"own:block=1", "own:tile=1"}},
      {"softmax",
       [](F f) {
         Call c("softmax");
         c.add({4096, 4096}).add({4096, 4096});
         f(c.built(build_row(c.c, 1, 1)));
       },
       8,
       1,
       {"own:tile=1", "own:tile=7", "own:unroll=3", "own:block=4", "own:split=1"},
       {"own:tile=5", "own:unroll=1", "own:block=2"}},
      {"softmax of short rows",
       [](F f) {
         Call c("softmax");
         c.add({65536, 256}).add({65536, 256});
         f(c.built(build_row(c.c, 1, 1)));
       },
       6,
       1,
       {"own:tile=5", "own:unroll=1", "own:tile=1,unroll=1"},
       {"own:tile=2", "own:block=3"}},
      {"softmax across",
       [](F f) {
         Call c("softmax");
         c.add({16, 256, 512}).add({16, 256, 512});
         f(c.built(build_row(c.c, 1, 1)));
       },
       2,
       1,
       {"own:tile=5", "own:block=1", "own:unroll=3"},
       {"own:tile=2", "own:unroll=1"}},
      {"sum of rows",
       [](F f) {
         Call c("sum");
         c.add({4096}).add({4096, 4096});
         reduction(c, 2);
         f(c);
       },
       8,
       1,
       {"own:unroll=1", "own:split=4", "own:tile=1,split=2"},
       {"own:tile=3", "own:block=3"}},
      {"sum of all",
       [](F f) {
         Call c("sum");
         c.add({}).add({1 << 24});
         reduction(c, 1);
         f(c);
       },
       8,
       2,
       {"own:tile=1,split=2"},
       {"own:split=1", "own:split=2", "own:block=2"}},
      {"sum of columns",
       [](F f) {
         Call c("sum");
         c.add({4096}).add({4096, 4096});
         reduction(c, 1);
         f(c);
       },
       12,
       2,
       {"own:tile=4"},
       {"own:tile=3", "own:split=2", "own:block=3"}},
      {"cumsum",
       [](F f) {
         Call c("cumsum");
         c.add({8, 1 << 20}).add({8, 1 << 20});
         f(c.built(build_row(c.c, 1, 1)));
       },
       8,
       3,
       {"own:unroll=1", "own:tile=1,split=2", "own:tile=5,split=1"},
       {"own:split=1", "own:tile=3", "own:tile=5"}},
      {"mm",
       [](F f) {
         Call c("mm");
         c.add({512, 4096}).absent().add({512, 4096}).add({4096, 4096});
         c.c.npar = 2;
         f(c);
       },
       12,
       1,
       {"own:tile=1", "own:block=1", "own:split=5"},
       {"own:tile=6", "own:split=2", "own:unroll=2"}},
      {"mm of one row",
       [](F f) {
         Call c("mm");
         c.add({1, 4096}).absent().add({1, 4096}).add({4096, 4096});
         c.c.npar = 2;
         f(c);
       },
       12,
       1,
       {"own:unroll=1", "own:tile=2,split=5", "own:tile=1,unroll=1"},
       {"own:tile=2", "own:split=1"}},
      {"mm of float32",
       [](F f) {
         Call c("mm");
         c.add({512, 512}, {}, GEMS_F32).add({1}).add({512, 512}, {}, GEMS_F32).add({512, 512}, {}, GEMS_F32);
         c.c.t[1].flags = GEMS_T_ABSENT;
         c.c.npar = 2;
         f(c);
       },
       4,
       1,
       {"own:unroll=1", "own:tile=4", "own:tile=1"},
       {"own:tile=3", "own:split=3"}},
      {"fused_add_rms_norm",
       [](F f) {
         Call c("fused_add_rms_norm");
         for (int k = 0; k < c.c.nout + c.c.op->in; k++) {
           if (k == c.c.nout + 2) c.add({4096});
           else c.add({4096, 4096});
         }
         f(c.built(build_row(c.c, 1, 1)));
       },
       8,
       1,
       {"own:tile=1", "own:split=1"},
       {"own:tile=5", "own:unroll=1", "own:unroll=2"}},
  };
  return all;
}

class CudaVariants : public testing::TestWithParam<size_t> {
 protected:
  static const gems_backend* backend;
  static FakeCuda* fake;
  static gems_cuda_plan_fn plan;
  static void SetUpTestSuite() {
    if (backend) return;
    setenv("GEMS_CACHE_MAX_MB", "0", 1);  // nothing is written
    setenv("GEMS_CACHE_DIR", "/nonexistent", 1);
    void* cuda = dlopen(GEMS_FAKE_CUDA, RTLD_NOW | RTLD_GLOBAL);
    ASSERT_NE(cuda, nullptr) << dlerror();
    fake = reinterpret_cast<FakeCuda* (*)()>(dlsym(cuda, "fake_cuda"))();
    const char* lib = GEMS_LIB_DIR "/libgems_cuda.so";
    ASSERT_TRUE(load_backend(lib));
    backend = backend_for(GEMS_CUDA);
    ASSERT_NE(backend, nullptr);
    plan = reinterpret_cast<gems_cuda_plan_fn>(dlsym(dlopen(lib, RTLD_NOW | RTLD_NOLOAD), "gems_cuda_plan"));
    ASSERT_NE(plan, nullptr);
  }
  static std::vector<gems_cuda_launch> planned(Call& c, int candidate) {
    c.c.candidate = static_cast<int16_t>(candidate);
    std::vector<gems_cuda_launch> launches(8);
    const int n = plan(&c.c, launches.data(), 8);
    launches.resize(n < 0 ? 0 : n);
    return launches;
  }
  static std::string text(const std::vector<gems_cuda_launch>& launches) {
    return std::string(reinterpret_cast<const char*>(launches.data()), launches.size() * sizeof(gems_cuda_launch));
  }
  static std::vector<int16_t> listed(Call& c, int cap = 256) {
    std::vector<int16_t> all(256);
    all.resize(static_cast<size_t>(backend->variants(&c.c, all.data(), cap)));
    return all;
  }
};
const gems_backend* CudaVariants::backend;
FakeCuda* CudaVariants::fake;
gems_cuda_plan_fn CudaVariants::plan;

TEST_P(CudaVariants, AreDistinctAndNotTheHeuristic) {
  const Case& k = cases()[GetParam()];
  k.with([&](Call& c) {
    const int modules = fake->modules, launches = fake->launches;
    std::set<std::string> seen{text(planned(c, kCandidateOwn))}, names;
    EXPECT_EQ(planned(c, kCandidateOwn).size(), static_cast<size_t>(k.launches));
    const auto all = listed(c);
    EXPECT_GE(all.size(), k.least);
    EXPECT_LE(all.size(), 30u);
    for (int16_t v : all) {
      const auto plan = planned(c, v);
      ASSERT_FALSE(plan.empty()) << candidate_name(v) << ": " << backend->last_error();
      EXPECT_TRUE(seen.insert(text(plan)).second) << candidate_name(v) << " plans what another one plans";
      names.insert(candidate_name(v));
    }
    EXPECT_EQ(names.size(), all.size());
    for (const char* wanted : k.has) EXPECT_TRUE(names.count(wanted)) << wanted;
    const auto few = listed(c, 3);
    EXPECT_EQ(few.size(), std::min<size_t>(3, all.size()));
    for (int16_t v : few) EXPECT_TRUE(names.count(candidate_name(v))) << candidate_name(v);
    EXPECT_EQ(fake->modules, modules);  // nothing was compiled or launched
    EXPECT_EQ(fake->launches, launches);
  });
}

TEST_P(CudaVariants, NoKnobIsTheHeuristic) {
  cases()[GetParam()].with([&](Call& c) {
    EXPECT_EQ(text(planned(c, GEMS_VARIANT)), text(planned(c, kCandidateOwn)));
    const auto heuristic = planned(c, kCandidateAuto);  // a large product is left to the native kernel
    EXPECT_TRUE(text(heuristic) == text(planned(c, kCandidateOwn)) ||
                (heuristic.empty() && c.c.op->family == static_cast<uint8_t>(family::matmul)));
  });
}

TEST_P(CudaVariants, WhatACallCannotHaveIsRefusedBeforeAnythingIsLaunched) {
  const Case& k = cases()[GetParam()];
  k.with([&](Call& c) {
    for (const char* name : k.refused) {
      c.c.candidate = candidate_of_name(name);
      ASSERT_GT(c.c.candidate, 0) << name;
      const int launches = fake->launches, modules = fake->modules;
      EXPECT_EQ(backend->run(&c.c), GEMS_UNSUPPORTED) << name;
      EXPECT_NE(std::string(backend->last_error()), "") << name;
      EXPECT_EQ(fake->launches, launches) << name;
      EXPECT_EQ(fake->modules, modules) << name;
      EXPECT_TRUE(planned(c, candidate_of_name(name)).empty()) << name;
    }
  });
}

TEST_P(CudaVariants, LaunchWhatWasPlanned) {
  static FakeCuda::Launch recent[8];
  fake->recent = recent;
  backend->jit_mode(GEMS_JIT_SYNC);
  static const auto scratch = [](int, int, size_t, void*, void** handle) {
    return *handle = reinterpret_cast<void*>(uintptr_t{1} << 45);
  };
  set_framework({nullptr, nullptr, scratch, [](void*) {}});
  cases()[GetParam()].with([&](Call& c) {
    c.c.candidate = kCandidateOwn;
    if (backend->run(&c.c) != GEMS_OK && std::strstr(backend->last_error(), "libnvrtc")) GTEST_SKIP() << backend->last_error();
    std::set<void*> functions;
    const auto all = listed(c);
    for (size_t i = 0; i < all.size(); i += 6) {  // a kernel takes 0.1 s and more to compile
      const auto plan = planned(c, all[i]);
      const int before = fake->launches;
      ASSERT_EQ(backend->run(&c.c), GEMS_OK) << candidate_name(all[i]) << ": " << backend->last_error();
      ASSERT_EQ(fake->launches - before, static_cast<int>(plan.size())) << candidate_name(all[i]);
      for (size_t l = 0; l < plan.size(); l++) {
        const FakeCuda::Launch& done = recent[(before + static_cast<int>(l)) % 8];
        EXPECT_EQ(done.gx, plan[l].grid[0]) << candidate_name(all[i]);
        EXPECT_EQ(done.gy, plan[l].grid[1]) << candidate_name(all[i]);
        EXPECT_EQ(done.gz, plan[l].grid[2]) << candidate_name(all[i]);
        EXPECT_EQ(done.block, plan[l].block) << candidate_name(all[i]);
        EXPECT_EQ(done.smem, plan[l].shared) << candidate_name(all[i]);
      }
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Calls, CudaVariants, testing::Range(size_t{0}, cases().size()), [](const auto& p) {
  std::string s = cases()[p.param].name;
  std::erase_if(s, [](char x) { return !std::isalnum(static_cast<unsigned char>(x)); });
  return s;
});

// The threads of the device that the probe plans for, and a traced call, as tuning asks.
TEST_F(CudaVariants, ATracedCallListsThem) {
  cases()[0].with([&](Call& c) {
    trace_buckets(true);
    watched_candidate(c.c);
    const auto seen = trace_buckets(false);
    ASSERT_EQ(seen.size(), 1u);
    EXPECT_EQ(seen[0].candidates.size(), 1 + listed(c).size());
    EXPECT_EQ(seen[0].candidates[0], "own");
    EXPECT_EQ(candidate_of_name(seen[0].candidates[1]), listed(c)[0]);
  });
}

TEST_F(CudaVariants, SmallCallsTurnOneKnobAtATime) {
  Call c("add");
  c.add({2000}).add({2000}).add({2000});
  c.built(build_pointwise(c.c));
  const auto all = listed(c);
  EXPECT_LE(all.size(), 9u);
  for (int16_t v : all) {
    const gems_knobs k = gems_knobs_of(v);
    EXPECT_EQ(!!k.tile + !!k.unroll + !!k.block + !!k.split, 1) << candidate_name(v);
  }
  Call arange("arange", GEMS_F64);
  arange.add({1 << 20}).built(build_pointwise(arange.c));
  EXPECT_TRUE(listed(arange).empty());  // nothing to choose
}

}  // namespace
}  // namespace gems
