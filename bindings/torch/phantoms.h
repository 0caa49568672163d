// CUDA tensors without memory: with them a call takes the way of a real one through dispatcher, binding and planner where no GPU, and no
// CUDA in torch, is needed. For packs (gems_backend::target); tests run them against a recorded driver.
#pragma once
#include <atomic>

namespace gems::torch_binding {

extern std::atomic<bool> g_phantoms;
inline bool phantoms() { return g_phantoms.load(std::memory_order_relaxed); }

// From now on every CUDA tensor that torch or this library makes lies on this device (-1: ends that) at an address of its own, aligned
// as torch's caching allocator aligns it, with nothing behind it. Of the process: nothing may use a real GPU meanwhile. Operators that
// are registered have to be registered anew.
void set_phantoms(int index);

}  // namespace gems::torch_binding
