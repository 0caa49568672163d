#pragma once
#include <atomic>
#include <cstddef>

struct FakeCuda {
  std::atomic<int> modules{0}, launches{0}, retained{0};
  std::atomic<int> events{0};  // made
  int capturing = 0, launch_error = 0, overlap_error = 0, refuse_images = 0;
  int event_error = 0, not_ready = 0;  // of recording; of the next so many queries
  float clock_ms = 0;                  // what the next event notes
  int capture_mode = 0;                // of the thread: 0 global, 2 relaxed
  int forbidden = 0;                   // events made or asked in another mode while something was captured
  void* event_stream = nullptr;        // of the last recording
  void* event_context = nullptr;
  struct Launch {
    void *function, *stream, *context;
    unsigned gx, gy, gz, block, smem;
    bool overlaps;
  } last{}, *recent = nullptr;  // recent: if given, launch i is noted at i % 8
};
extern "C" FakeCuda* fake_cuda();
