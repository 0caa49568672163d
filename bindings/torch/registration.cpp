#include "bindings/torch/registration.h"

#include <ATen/core/grad_mode.h>
#include <c10/util/Exception.h>
#include <torch/library.h>

#include <chrono>
#include <mutex>

#include "bindings/torch/phantoms.h"
#include "bindings/torch/row.h"
#include "bindings/torch/tensors.h"
#include "bindings/torch/unboxed.h"
#include "core/backend.h"
#include "core/tune/online.h"

namespace gems::torch_binding {

std::atomic<bool> g_observed{false};

namespace {

std::atomic<bool> g_timing{false};
std::atomic<void (*)(int)> g_recorder{nullptr};

c10::DispatchKey backend_key(int device) { return device == kOnCuda ? c10::DispatchKey::CUDA : c10::DispatchKey::CPU; }
c10::DispatchKey autograd_key(int device) {
  return device == kOnCuda ? c10::DispatchKey::AutogradCUDA : c10::DispatchKey::AutogradCPU;
}

int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Another library may have replaced and destroyed the kernel that we captured: look it up again below our own.
void call_native(std::unique_ptr<c10::SafeKernelFunction>& native, const Row& r, c10::DispatchKeySet ks, torch::jit::Stack* st) {
  TORCH_CHECK(native, message("flag_gems: no native kernel for ", r.ns, "::", r.key,
                              " on this device and ours doesn't serve this call (", plan_reason(), ")"));
  native->callBoxed(*r.handle, ks, st);
}

// Instead of our kernel: while calls are measured it may be its turn.
void run_native(Row& r, int device, c10::DispatchKeySet ks, torch::jit::Stack& st) {
  if (C10_LIKELY(!tuning_watches())) return call_native(r.native[device], r, ks, &st);
  OnlineNative turn(r.op);
  call_native(r.native[device], r, ks, &st);
  turn.done();
}

// Our kernel or none: what runs natively while its kernel is compiled has to wait for it here.
bool serve(Row& r, int device, torch::jit::Stack& st) {
  if (r.handler(r, st)) return true;
  if (C10_LIKELY(r.native[device] != nullptr)) return false;
  OnlyKernel scope;
  return r.handler(r, st);
}

void run_observed(Row& r, int device, c10::DispatchKeySet ks, torch::jit::Stack& st) {
  Counters& c = r.counters[device];
  const int64_t t0 = now_ns();
  if (serve(r, device, st)) {
    c.own.fetch_add(1, std::memory_order_relaxed);
    c.own_ns.fetch_add(now_ns() - t0, std::memory_order_relaxed);
    if (auto* f = g_recorder.load(std::memory_order_relaxed)) f(r.index);
    return;
  }
  run_native(r, device, ks, st);
  c.native.fetch_add(1, std::memory_order_relaxed);
  c.native_ns.fetch_add(now_ns() - t0, std::memory_order_relaxed);
}

struct Entry final : c10::OperatorKernel {
  Entry(Row* row, int device) : r(row), device(device) {}
  void operator()(const c10::OperatorHandle&, c10::DispatchKeySet ks, torch::jit::Stack* st) { run_boxed(*r, device, ks, *st); }
  Row* r;
  int device;
};

bool any_requires_grad(const Row& r, const torch::jit::Stack& st) {
  for (size_t i = st.size() - r.nargs; i < st.size(); i++)
    if (st[i].isTensor() && st[i].toTensor().defined() && st[i].toTensor().requires_grad()) return true;
  return false;
}

// Composites (rms_norm, linear) have their derivative only through their decomposition: with gradients or under a tracing mode the
// composite runs, without them the call goes below autograd to our kernel.
struct AutogradEntry final : c10::OperatorKernel {
  AutogradEntry(Row* row, int device) : r(row), device(device) {}
  void operator()(const c10::OperatorHandle&, c10::DispatchKeySet ks, torch::jit::Stack* st) {
    const c10::DispatchKeySet below = ks & c10::after_autograd_keyset;
    if (!r->active.load(std::memory_order_relaxed) || below.highestPriorityTypeId() != backend_key(device) ||
        (c10::GradMode::is_enabled() && any_requires_grad(*r, *st)))
      return call_native(r->autograd[device], *r, ks, st);
    c10::impl::ExcludeDispatchKeyGuard guard(c10::autograd_dispatch_keyset_with_ADInplaceOrView);
    r->handle->redispatchBoxed(below, st);
  }
  Row* r;
  int device;
};

struct Kept {  // immortal copies: re-registration costs no construction, and a call in flight never loses its functor
  c10::BoxedKernel backend[kDevices], autograd[kDevices];
};
std::vector<Kept>& kept() {
  static auto* v = new std::vector<Kept>;
  return *v;
}

struct QuietWarnings final : c10::WarningHandler {
  void process(const c10::Warning&) override {}
};

// torch says once per process that a kernel is overridden; that is what we are here for.
struct Quiet {
  QuietWarnings handler;
  c10::WarningUtils::WarningHandlerGuard guard{&handler};
};

struct Libraries {
  std::unique_ptr<torch::Library> backend[kDevices], autograd[kDevices];
};
Libraries& libraries() {
  static auto* l = new Libraries;
  return *l;
}
std::vector<uint8_t>& registered() {
  static auto* v = new std::vector<uint8_t>;
  return *v;
}
std::mutex g_mutex;

bool has_device(int device) { return device == kOnCpu || phantoms() || backend_for(GEMS_CUDA) != nullptr; }

void capture_native(Row& r, int device) {
  if (r.ns != "aten") return;  // custom operators have no kernel but ours
  auto take = [&](c10::DispatchKey key) -> std::unique_ptr<c10::SafeKernelFunction> {
    try {
      return std::make_unique<c10::SafeKernelFunction>(r.handle->getComputedKernelForDispatchKey(key));
    } catch (const c10::Error&) {
      return nullptr;  // this torch build has no kernel there
    }
  };
  r.native[device] = take(backend_key(device));
  if (r.implicit[device]) r.autograd[device] = take(autograd_key(device));
}

std::unique_ptr<torch::Library> library(c10::DispatchKey key) {
  return std::make_unique<torch::Library>(torch::Library::IMPL, "aten", key, "flag_gems", 1);
}

}  // namespace

void run_boxed(Row& r, int device, c10::DispatchKeySet ks, torch::jit::Stack& st) {
  if (r.active.load(std::memory_order_relaxed)) {
    if (C10_UNLIKELY(observed())) return run_observed(r, device, ks, st);
    Counters& c = r.counters[device];
    if (serve(r, device, st)) {
      c.own.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    c.native.fetch_add(1, std::memory_order_relaxed);
    return run_native(r, device, ks, st);
  }
  call_native(r.native[device], r, ks, &st);
}

void register_rows(const std::vector<uint8_t>& wanted) {
  std::lock_guard<std::mutex> lock(g_mutex);
  static bool was_phantom = false;
  if (registered() == wanted && was_phantom == phantoms()) return;
  was_phantom = phantoms();
  Libraries& libs = libraries();
  for (int d = 0; d < kDevices; d++) {
    libs.backend[d].reset();  // the native kernels are back
    libs.autograd[d].reset();
  }
  registered() = wanted;
  auto& all = rows();
  bool any = false;
  for (size_t i = 0; i < all.size(); i++) any = any || (i < wanted.size() && wanted[i]);
  if (!any) return;
  Quiet quiet;
  if (kept().size() != all.size()) kept().resize(all.size());
  for (int d = 0; d < kDevices; d++) {
    if (!has_device(d)) continue;
    for (size_t i = 0; i < all.size(); i++)
      if (wanted[i]) capture_native(*all[i], d);  // all before any registration: composites resolve through other rows
    libs.backend[d] = library(backend_key(d));
    for (size_t i = 0; i < all.size(); i++) {
      Row* r = all[i];
      if (!wanted[i] || r->ns != "aten") continue;
      // torch has no such operator on this device: calls keep its own error. A build without CUDA still plans for one.
      if (!r->native[d] && !(d == kOnCuda && phantoms())) continue;
      Kept& k = kept()[i];
      if (!k.backend[d].isValid()) k.backend[d] = c10::BoxedKernel::makeFromFunctor(std::make_unique<Entry>(r, d));
      if (!register_unboxed(*libs.backend[d], *r, d))
        libs.backend[d]->impl(r->key.c_str(), torch::CppFunction::makeFromBoxedKernel(k.backend[d]));
      if (r->implicit[d] && r->autograd[d]) {
        if (!libs.autograd[d]) libs.autograd[d] = library(autograd_key(d));
        if (!k.autograd[d].isValid()) k.autograd[d] = c10::BoxedKernel::makeFromFunctor(std::make_unique<AutogradEntry>(r, d));
        libs.autograd[d]->impl(r->key.c_str(), torch::CppFunction::makeFromBoxedKernel(k.autograd[d]));
      }
    }
  }
}

void activate_rows(const uint8_t* active, size_t n) {
  auto& all = rows();
  for (size_t i = 0; i < all.size() && i < n; i++)
    if (all[i]->ns == "aten") all[i]->active.store(active[i] != 0, std::memory_order_relaxed);
}

void define_custom_operators() {
  static auto* fragment = [] {
    auto* f = new torch::Library(torch::Library::FRAGMENT, "flag_gems", std::nullopt, "flag_gems", 1);
    for (int id = 0; id < op_count(); id++)
      if (op_at(id)->schema[0]) f->def(op_at(id)->schema, {at::Tag::pt2_compliant_tag});
    return f;
  }();
  (void)fragment;
  build_rows(/*with_custom=*/true);
  static auto* impls = [] {
    auto* v = new std::vector<std::unique_ptr<torch::Library>>;
    for (int d = 0; d < kDevices; d++) {
      v->push_back(std::make_unique<torch::Library>(torch::Library::IMPL, "flag_gems", backend_key(d), "flag_gems", 1));
      for (Row* r : rows())
        if (r->ns == "flag_gems") {
          r->active.store(true);
          v->back()->impl(r->key.c_str(), torch::CppFunction::makeFromBoxedKernel(
                                              c10::BoxedKernel::makeFromFunctor(std::make_unique<Entry>(r, d))));
        }
    }
    return v;
  }();
  (void)impls;
}

void set_timing(bool on) {
  g_timing.store(on);
  g_observed.store(on || g_recorder.load());
}
void set_recorder(void (*fn)(int)) {
  g_recorder.store(fn);
  g_observed.store(fn || g_timing.load());
}

}  // namespace gems::torch_binding
