// Time marks of the CUDA backend against a recorded driver (fake_cuda.cpp). No kernel is compiled: NVRTC isn't needed.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <vector>

#include "core/registry.h"
#include "tests/cpp/fake_cuda.h"

namespace gems {
namespace {

class CudaMarks : public testing::Test {
 protected:
  static const gems_backend* backend;
  static FakeCuda* fake;
  static void SetUpTestSuite() {
    void* cuda = dlopen(GEMS_FAKE_CUDA, RTLD_NOW | RTLD_GLOBAL);
    ASSERT_NE(cuda, nullptr) << dlerror();
    fake = reinterpret_cast<FakeCuda* (*)()>(dlsym(cuda, "fake_cuda"))();
    void* lib = dlopen(GEMS_LIB_DIR "/libgems_cuda.so", RTLD_NOW | RTLD_LOCAL);
    ASSERT_NE(lib, nullptr) << dlerror();
    static gems_host host{};
    host.abi_version = GEMS_ABI_VERSION;
    host.log = [](int, const char*) {};
    host.setting = [](const char* name) -> const char* { return std::getenv(name); };
    backend = reinterpret_cast<gems_backend_entry_fn>(dlsym(lib, "gems_backend_entry"))(&host);
    ASSERT_NE(backend, nullptr);
  }
  static gems_call call(int device = 0) {
    gems_call c{};
    c.stream = reinterpret_cast<void*>(0x77);
    c.t[0].device_type = GEMS_CUDA;
    c.t[0].device_index = static_cast<int8_t>(device);
    return c;
  }
};
const gems_backend* CudaMarks::backend;
FakeCuda* CudaMarks::fake;

TEST_F(CudaMarks, TellTheTimeBetween) {
  const gems_call c = call();
  fake->clock_ms = 1;
  void* begin = backend->mark(&c);
  ASSERT_NE(begin, nullptr);
  EXPECT_EQ(fake->event_stream, c.stream);
  fake->clock_ms = 1.25;
  void* end = backend->mark(&c);
  ASSERT_NE(end, nullptr);
  double us = 0;
  fake->not_ready = 1;
  EXPECT_EQ(backend->elapsed(begin, end, &us), 0);
  EXPECT_EQ(backend->elapsed(begin, end, &us), 1);
  EXPECT_DOUBLE_EQ(us, 250);
}

TEST_F(CudaMarks, EventsAreUsedAgain) {
  const gems_call c = call();
  double us;
  backend->elapsed(backend->mark(&c), backend->mark(&c), &us);
  const int events = fake->events;
  for (int i = 0; i < 100; i++) EXPECT_EQ(backend->elapsed(backend->mark(&c), backend->mark(&c), &us), 1);
  for (int i = 0; i < 100; i++) EXPECT_EQ(backend->elapsed(backend->mark(&c), nullptr, nullptr), -1);
  EXPECT_EQ(fake->events, events);
  fake->event_error = 700;
  for (int i = 0; i < 10; i++) EXPECT_EQ(backend->mark(&c), nullptr);
  fake->event_error = 0;
  EXPECT_EQ(fake->events, events);
}

TEST_F(CudaMarks, ABoundedNumberIsOnTheWay) {
  const gems_call c = call();
  std::vector<void*> all;
  while (void* m = backend->mark(&c)) {
    all.push_back(m);
    ASSERT_LE(all.size(), 1u << 16);
  }
  EXPECT_LE(fake->events, 1 << 12);
  for (void* m : all) backend->elapsed(m, nullptr, nullptr);
  void* again = backend->mark(&c);
  EXPECT_NE(again, nullptr);
  backend->elapsed(again, nullptr, nullptr);
}

TEST_F(CudaMarks, LeaveCapturesAlone) {
  const gems_call c = call();
  void *begin = backend->mark(&c), *end = backend->mark(&c);
  fake->capturing = 1;
  EXPECT_EQ(backend->mark(&c), nullptr);
  double us;
  EXPECT_EQ(backend->elapsed(begin, end, &us), 1);  // another stream's capture isn't disturbed
  fake->capturing = 0;
  EXPECT_EQ(fake->forbidden, 0);
  EXPECT_EQ(fake->capture_mode, 0);  // as the thread had it
}

TEST_F(CudaMarks, BelongToTheirDevice) {
  auto set = reinterpret_cast<int (*)(void*)>(dlsym(RTLD_DEFAULT, "cuCtxSetCurrent"));
  auto get = reinterpret_cast<int (*)(void**)>(dlsym(RTLD_DEFAULT, "cuCtxGetCurrent"));
  const gems_call first = call(0), second = call(1);
  void* const mine = reinterpret_cast<void*>(0x100);
  set(mine);
  double us;
  backend->elapsed(backend->mark(&first), backend->mark(&first), &us);  // two free events of the first
  void *begin = backend->mark(&second), *end = backend->mark(&second);
  EXPECT_EQ(fake->event_context, reinterpret_cast<void*>(0x101));
  void* now = nullptr;
  get(&now);
  EXPECT_EQ(now, mine);
  EXPECT_EQ(backend->elapsed(begin, end, &us), 1);
  get(&now);
  EXPECT_EQ(now, mine);
}

}  // namespace
}  // namespace gems
