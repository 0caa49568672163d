// Runs GPU kernels on the host, thread by thread, so that their indices, fragment layouts and barriers can be tested without a
// GPU. Supplies the functions that kernels/simt/matmul_ptx.cuh declares for a device. Every thread of a cluster is a fiber; a
// barrier or a warp-wide instruction switches to the next. What a GPU leaves open is taken at both extremes: asynchronous copies
// land when they are issued or only when they are waited for, threads take turns upwards or downwards.
#pragma once
#include <string.h>
#include <ucontext.h>

#include <cmath>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "kernels/simt/matmul_ptx.cuh"

namespace gems::simt_host {

struct Gate {  // a barrier
  int arrived = 0;
  unsigned generation = 0;
};

struct Warp {
  Gate gate;
  unsigned char in[32][64], out[32][64];
};

struct Block {
  std::vector<unsigned char> storage;
  unsigned char* shared = nullptr;
  Gate gate;
  std::vector<Warp> warps;
};

struct Copy {
  void* to;
  const void* from;
  int bytes;
};

struct Machine;

struct Fiber {
  Machine* machine = nullptr;
  ucontext_t context;
  std::unique_ptr<char[]> stack;
  int thread = 0, rank = 0;
  bool done = false;
  std::vector<std::vector<Copy>> copies;  // committed groups, oldest first
  std::vector<Copy> open;
};

struct Range {
  const char *begin, *end;
};

struct Machine {
  bool late_copies = false, downwards = false;
  std::vector<Range> readable;  // what vector loads and copies may touch
  unsigned block_x = 0, block_z = 0, grid_x = 1, grid_z = 1;
  int threads = 0, cluster = 1;
  int conflicts = 0;  // 8x8 matrices whose rows share banks
  std::vector<Block> blocks;
  Gate cluster_gate;
  std::vector<Fiber> fibers;
  ucontext_t main;
  Fiber* current = nullptr;
  bool progress = false;
  std::string error;
  std::function<void()> body;

  void fail(const std::string& text) {
    if (error.empty()) error = text;
  }
  void yield() { swapcontext(&current->context, &main); }
  void wait(Gate& g, int n) {
    const unsigned mine = g.generation;
    progress = true;
    if (++g.arrived == n) {
      g.arrived = 0;
      g.generation++;
      return;
    }
    while (g.generation == mine) yield();
    progress = true;
  }
  void check(const void* p, int bytes, bool aligned) {
    const char* c = static_cast<const char*>(p);
    if (aligned && (reinterpret_cast<uintptr_t>(p) & 15)) fail("a 16-byte access that isn't aligned");
    if (!bytes) return;
    for (const Range& r : readable)
      if (c >= r.begin && c + bytes <= r.end) return;
    fail("a vector access outside of the operands");
  }
};

inline Machine* machine = nullptr;
inline Fiber& self() { return *machine->current; }
inline Block& block() { return machine->blocks[(size_t)self().rank]; }
inline Warp& warp() { return block().warps[(size_t)self().thread / 32]; }

inline void fiber_main() {
  try {
    machine->body();
  } catch (const std::exception& e) { machine->fail(e.what()); }
  Fiber& f = self();
  for (const auto& group : f.copies)
    if (!group.empty()) machine->fail("a thread ends with copies under way");
  f.done = machine->progress = true;
  machine->yield();
}

// Runs the grid cluster by cluster; returns the first error, or "".
inline std::string run(Machine& m, unsigned grid_x, unsigned grid_z, int threads, int smem, int cluster,
                       std::function<void()> body) {
  machine = &m;
  m.body = std::move(body);
  m.grid_x = grid_x, m.grid_z = grid_z, m.threads = threads, m.cluster = cluster;
  if (grid_x % (unsigned)cluster) return "the grid isn't a multiple of the cluster";
  for (unsigned z = 0; z < grid_z; z++)
    for (unsigned x = 0; x < grid_x; x += (unsigned)cluster) {
      m.block_x = x, m.block_z = z;
      m.cluster_gate = Gate{};
      m.blocks.clear();
      m.blocks.resize((size_t)cluster);
      for (Block& b : m.blocks) {
        b.storage.assign((size_t)smem + 256, 0xff);  // NaN in every format
        b.shared = b.storage.data() + (128 - reinterpret_cast<uintptr_t>(b.storage.data()) % 128);
        b.warps.resize((size_t)threads / 32);
      }
      m.fibers.clear();
      m.fibers.resize((size_t)(threads * cluster));
      for (size_t i = 0; i < m.fibers.size(); i++) {
        Fiber& f = m.fibers[i];
        f.thread = (int)i % threads, f.rank = (int)i / threads;
        f.stack = std::make_unique<char[]>(1 << 16);
        getcontext(&f.context);
        f.context.uc_stack.ss_sp = f.stack.get();
        f.context.uc_stack.ss_size = 1 << 16;
        f.context.uc_link = &m.main;
        makecontext(&f.context, fiber_main, 0);
      }
      for (size_t left = m.fibers.size(); left && m.error.empty();) {
        m.progress = false;
        for (size_t i = 0; i < m.fibers.size(); i++) {
          Fiber& f = m.fibers[m.downwards ? m.fibers.size() - 1 - i : i];
          if (f.done) continue;
          m.current = &f;
          swapcontext(&m.main, &f.context);
          left -= f.done;
        }
        if (!m.progress) m.fail("threads wait for each other forever");
      }
      for (const Block& b : m.blocks)
        for (const unsigned char* p = b.shared + smem; p < b.storage.data() + b.storage.size(); p++)
          if (*p != 0xff) m.fail("shared memory is written beyond its end");
      if (!m.error.empty()) return m.error;
    }
  return "";
}

// All lanes put `in`, then each gets what `f` makes of everybody's.
template <class In, class F> auto collective(const In& in, F f) {
  static_assert(sizeof(In) <= 64);
  Warp& w = warp();
  const int lane = self().thread % 32;
  memcpy(w.in[lane], &in, sizeof in);
  machine->wait(w.gate, 32);
  const auto get = [&](int l) {
    In r;
    memcpy(&r, w.in[l], sizeof r);
    return r;
  };
  const auto result = f(lane, get);
  machine->wait(w.gate, 32);
  return result;
}

inline float value16(unsigned short bits, bool is_bf16) { return is_bf16 ? bf16_to_float(bf16{bits}) : f16_to_float(f16{bits}); }

}  // namespace gems::simt_host

namespace gems::simt {

inline int thread_x() { return simt_host::self().thread; }
inline u32 block_x() { return simt_host::machine->block_x + (u32)simt_host::self().rank; }
inline u32 block_z() { return simt_host::machine->block_z; }
inline u32 grid_x() { return simt_host::machine->grid_x; }
inline u32 grid_z() { return simt_host::machine->grid_z; }
inline void barrier() { simt_host::machine->wait(simt_host::block().gate, simt_host::machine->threads); }
inline unsigned char* shared_memory() { return simt_host::block().shared; }

template <class A> A shuffle_xor(A x, int mask) {
  return simt_host::collective(x, [&](int lane, const auto& get) { return get(lane ^ mask); });
}

inline void copy_now(const simt_host::Copy& c) {
  memset(c.to, 0, 16);
  memcpy(c.to, c.from, (size_t)c.bytes);
}
inline void copy_async16(void* to, const void* from, int bytes) {
  simt_host::machine->check(from, bytes, true);
  if (reinterpret_cast<uintptr_t>(to) % 16) simt_host::machine->fail("a copy to shared memory that isn't aligned");
  const simt_host::Copy c{to, from, bytes};
  if (simt_host::machine->late_copies) memset(to, 0xff, 16), simt_host::self().open.push_back(c);
  else copy_now(c);
}
inline void copy_commit() {
  auto& f = simt_host::self();
  f.copies.push_back(std::move(f.open));
  f.open.clear();
}
template <int PENDING> void copy_wait() {
  auto& f = simt_host::self();
  while (f.copies.size() > PENDING) {
    for (const auto& c : f.copies.front()) copy_now(c);
    f.copies.erase(f.copies.begin());
  }
}

inline Pack16 load_again(const void* p) {
  simt_host::machine->check(p, 16, true);
  Pack16 r;
  memcpy(&r, p, 16);
  return r;
}
inline Pack16 load_once(const void* p) { return load_again(p); }
inline int from_here(int x) { return x; }
inline u32 permute(u32 x, u32 y, u32 pick) {
  const u64 both = (u64)y << 32 | x;
  u32 r = 0;
  for (int i = 0; i < 4; i++) r |= (u32)(both >> (8 * (pick >> (4 * i) & 7)) & 0xff) << (8 * i);
  return r;
}

template <bool TRANSPOSE> void load_matrices(u32 (&r)[4], const void* row) {
  struct Four {
    u32 r[4];
  };
  const Four four = simt_host::collective(row, [&](int lane, const auto& get) {
    Four v;
    for (int i = 0; i < 4; i++) {
      unsigned banks = 0;
      for (int j = 0; j < 8; j++) banks |= 1u << (reinterpret_cast<uintptr_t>(get(8 * i + j)) / 16 % 8);
      if (banks != 0xff) simt_host::machine->conflicts++;
      const auto at = [&](int m, int n) {
        unsigned short e;
        memcpy(&e, static_cast<const char*>(get(8 * i + m)) + 2 * n, 2);
        return (u32)e;
      };
      const int g = lane / 4, t = lane % 4;
      v.r[i] = TRANSPOSE ? at(2 * t, g) | at(2 * t + 1, g) << 16 : at(g, 2 * t) | at(g, 2 * t + 1) << 16;
    }
    return v;
  });
  for (int i = 0; i < 4; i++) r[i] = four.r[i];
}

// Fragment layouts as in the PTX manual, "Matrix Fragments for mma.m16n8k16 with floating point type", 16-bit operands.
template <class T> void mma(float (&c)[4], u32 a0, u32 a1, u32 a2, u32 a3, u32 b0, u32 b1) {
  struct In {
    u32 a[4], b[2];
  };
  struct Sum {
    float c[4];
  };
  const Sum sum = simt_host::collective(In{{a0, a1, a2, a3}, {b0, b1}}, [&](int lane, const auto& get) {
    const auto half = [](u32 w, int i) { return simt_host::value16((unsigned short)(w >> (16 * i)), is_same<T, bf16>); };
    // a_i: i = 0..7; row = g for i in {0, 1, 4, 5}, g + 8 otherwise; col = 2t + i % 2 (+ 8 for i >= 4)
    const auto a = [&](int row, int col) {
      const In in = get(row % 8 * 4 + col % 8 / 2);
      return half(in.a[row / 8 + col / 8 * 2], col % 2);
    };
    const auto b = [&](int row, int col) {  // b_i: row = 2t + i % 2 (+ 8 for i >= 2), col = g
      const In in = get(col * 4 + row % 8 / 2);
      return half(in.b[row / 8], row % 2);
    };
    Sum s;
    for (int i = 0; i < 4; i++) {  // c_i: row = g (+ 8 for i >= 2), col = 2t + i % 2
      const int row = lane / 4 + i / 2 * 8, col = lane % 4 * 2 + i % 2;
      s.c[i] = c[i];
      for (int k = 0; k < 16; k++) s.c[i] += a(row, k) * b(k, col);
    }
    return s;
  });
  for (int i = 0; i < 4; i++) c[i] = sum.c[i];
}

inline u32 cluster_rank() { return (u32)simt_host::self().rank; }
inline void cluster_barrier() {
  simt_host::machine->wait(simt_host::machine->cluster_gate, simt_host::machine->threads * simt_host::machine->cluster);
}
template <class A> A cluster_load(const A* own, u32 rank) {
  const size_t offset = (size_t)(reinterpret_cast<const unsigned char*>(own) - simt_host::block().shared);
  simt_host::machine->progress = true;
  simt_host::machine->yield();  // others may run on, or end, before this read: barriers must hold them
  bool all_ended = true;
  for (const auto& f : simt_host::machine->fibers) all_ended &= f.rank != (int)rank || f.done;
  if (all_ended) simt_host::machine->fail("shared memory of a block that has ended is read");
  A r;
  memcpy(&r, simt_host::machine->blocks[rank].shared + offset, sizeof r);
  return r;
}

}  // namespace gems::simt
