// Registering our rows with torch's dispatcher and taking them back.
#pragma once
#include <ATen/core/stack.h>
#include <c10/core/DispatchKeySet.h>

#include <atomic>
#include <cstdint>
#include <vector>

namespace gems::torch_binding {

// wanted[i] != 0: row i is registered from now on. Rebuilds the library only when the set changes.
void register_rows(const std::vector<uint8_t>& wanted);
// active[i] != 0: calls of row i run our kernels; 0: they pass through to the native kernel. No dispatcher change.
void activate_rows(const uint8_t* active, size_t n);
// Defines the custom operators (flag_gems::...) once per process.
void define_custom_operators();
// Puts a fast way past the gradients that Python has registered for them by now (custom_autograd.cpp). Once per process.
void define_custom_autograd();

// One boxed call of a row: ours when active and served, the native kernel otherwise; counted.
struct Row;
void run_boxed(Row& row, int device, c10::DispatchKeySet ks, torch::jit::Stack& st);

// Is anything watching calls (times or a recorder)? One relaxed load on the warm path.
extern std::atomic<bool> g_observed;
inline bool observed() { return g_observed.load(std::memory_order_relaxed); }

void set_timing(bool on);
// Called with the row's index for each call that runs one of our kernels; nullptr = off.
void set_recorder(void (*fn)(int row));

}  // namespace gems::torch_binding
