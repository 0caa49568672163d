// Runs the text of our GPU kernels on the host: every CUDA thread is a fiber, barriers and shuffles switch fibers. Slow and
// exact about who waits for whom, so that a kernel's logic is checked on machines without a GPU.
#pragma once
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include <functional>
#include <vector>

namespace emu {

struct Dim {
  unsigned x = 0, y = 0, z = 0;
};
inline Dim thread_idx, block_idx, block_dim, grid_dim;

struct Barrier {
  unsigned arrived = 0, generation = 0;
};
struct Fiber {
  ucontext_t context;
  std::vector<char> stack;
  bool done = false;
  unsigned shuffles = 0;
};
struct Block {
  std::vector<Fiber> fibers;
  Barrier block;
  std::vector<Barrier> warp;
  struct Lanes {
    unsigned value[2][32];
  };
  std::vector<Lanes> lanes;
  ucontext_t scheduler;
  unsigned current = 0, waits = 0;
  std::function<void()> kernel;
};
inline Block* now;

inline void wait(Barrier& b, unsigned members) {
  unsigned generation = b.generation;
  if (++b.arrived == members) {
    b.arrived = 0;
    b.generation++;
    now->waits = 0;
    return;
  }
  while (b.generation == generation) {
    if (++now->waits > 16 * now->fibers.size() + 64)
      fprintf(stderr, "emulation: a barrier that not all threads reach\n"), abort();
    unsigned me = now->current;
    swapcontext(&now->fibers[me].context, &now->scheduler);
  }
}
inline void sync_threads() { wait(now->block, unsigned(now->fibers.size())); }

template <class Pick> unsigned exchange(unsigned value, Pick pick) {
  unsigned me = now->current, warp = me / 32, lane = me % 32;
  unsigned members = unsigned(now->fibers.size()) - warp * 32;
  members = members < 32 ? members : 32;
  auto& half = now->lanes[warp].value[now->fibers[me].shuffles++ % 2];
  half[lane] = value;
  wait(now->warp[warp], members);
  int from = pick(int(lane));
  return half[from];
}

inline void enter() {
  now->kernel();
  now->fibers[now->current].done = true;
  swapcontext(&now->fibers[now->current].context, &now->scheduler);
}

inline void launch(unsigned gx, unsigned gy, unsigned threads, const std::function<void()>& kernel) {
  static Block b;
  now = &b;
  b.kernel = kernel;
  b.fibers.resize(threads);
  grid_dim = {gx, gy, 1};
  block_dim = {threads, 1, 1};
  for (unsigned y = 0; y < gy; y++)
    for (unsigned x = 0; x < gx; x++) {
      b.warp.assign((threads + 31) / 32, {});
      b.lanes.resize((threads + 31) / 32);
      b.block = {};
      b.waits = 0;
      for (Fiber& f : b.fibers) {
        f.stack.resize(48 << 10);
        f.done = false;
        f.shuffles = 0;
        getcontext(&f.context);
        f.context.uc_stack.ss_sp = f.stack.data();
        f.context.uc_stack.ss_size = f.stack.size();
        f.context.uc_link = nullptr;
        makecontext(&f.context, enter, 0);
      }
      for (bool left = true; left;) {
        left = false;
        for (unsigned t = 0; t < threads; t++) {
          if (b.fibers[t].done) continue;
          left = true;
          b.current = t;
          thread_idx.x = t;
          block_idx = {x, y, 0};
          swapcontext(&b.scheduler, &b.fibers[t].context);
        }
      }
    }
}

}  // namespace emu

#define threadIdx emu::thread_idx
#define blockIdx emu::block_idx
#define blockDim emu::block_dim
#define gridDim emu::grid_dim
#define __shared__ static
#define __syncthreads emu::sync_threads
#define __shfl_xor_sync(mask, v, m) emu::exchange(v, [=](int lane) { return lane ^ (m); })
#define __shfl_up_sync(mask, v, d) emu::exchange(v, [=](int lane) { return lane >= (d) ? lane - (d) : lane; })
#define __shfl_sync(mask, v, src) emu::exchange(v, [=](int) { return (src); })
