#pragma once
#include <atomic>
#include <cstddef>

struct FakeCuda {
  std::atomic<int> modules{0}, launches{0}, retained{0};
  int capturing = 0, launch_error = 0, overlap_error = 0, refuse_images = 0;
  struct Launch {
    void *function, *stream, *context;
    unsigned gx, gy, gz, block, smem;
    bool overlaps;
  } last{};
};
extern "C" FakeCuda* fake_cuda();
