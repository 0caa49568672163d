#include "bindings/torch/phantoms.h"

#include <ATen/EmptyTensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/core/Allocator.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>

#include <memory>

namespace gems::torch_binding {

std::atomic<bool> g_phantoms{false};

namespace {

struct NoMemory final : c10::Allocator {
  c10::DataPtr allocate(size_t n) override {
    static std::atomic<uintptr_t> next{uintptr_t{1} << 44};
    const uintptr_t bytes = n / 512 * 512 + 512;  // CUDACachingAllocator's smallest block
    return {reinterpret_cast<void*>(next.fetch_add(bytes)), c10::Device(c10::DeviceType::CUDA, index)};
  }
  void copy_data(void*, const void*, std::size_t) const override {}
  c10::DeviceIndex index = 0;
};
NoMemory g_no_memory;

constexpr c10::DispatchKeySet kCuda(c10::DispatchKey::CUDA);

at::Tensor empty(c10::SymIntArrayRef size, std::optional<at::ScalarType> dtype, std::optional<at::Layout>,
                 std::optional<c10::Device>, std::optional<bool>, std::optional<at::MemoryFormat> format) {
  return at::detail::empty_generic(C10_AS_INTARRAYREF_SLOW(size), &g_no_memory, kCuda, c10::dtype_or_default(dtype), format);
}
at::Tensor empty_strided(c10::SymIntArrayRef size, c10::SymIntArrayRef stride, std::optional<at::ScalarType> dtype,
                         std::optional<at::Layout>, std::optional<c10::Device>, std::optional<bool>) {
  return at::detail::empty_strided_generic(C10_AS_INTARRAYREF_SLOW(size), C10_AS_INTARRAYREF_SLOW(stride), &g_no_memory, kCuda,
                                           c10::dtype_or_default(dtype));
}

const at::Tensor& resize(const at::Tensor& t, c10::SymIntArrayRef size, std::optional<at::MemoryFormat>) {
  c10::TensorImpl* impl = t.unsafeGetTensorImpl();
  impl->set_sizes_contiguous(C10_AS_INTARRAYREF_SLOW(size));
  const size_t bytes = static_cast<size_t>(impl->numel() + impl->storage_offset()) * impl->itemsize();
  c10::StorageImpl* storage = impl->unsafe_storage().unsafeGetStorageImpl();
  if (bytes > storage->nbytes()) {
    storage->set_data_ptr_noswap(g_no_memory.allocate(bytes));
    storage->set_nbytes(bytes);
  }
  return t;
}

// Operators that only look at sizes and strides have one text for every device; builds without CUDA register it for the CPU alone.
struct AsOnCpu final : c10::OperatorKernel {
  explicit AsOnCpu(c10::SafeKernelFunction k) : kernel(std::move(k)) {}
  void operator()(const c10::OperatorHandle& op, c10::DispatchKeySet ks, torch::jit::Stack* st) { kernel.callBoxed(op, ks, st); }
  c10::SafeKernelFunction kernel;
};

std::unique_ptr<torch::Library>& library() {
  static auto* l = new std::unique_ptr<torch::Library>;
  return *l;
}
c10::Allocator* torchs_allocator() {
  try {
    return c10::GetAllocator(c10::DeviceType::CUDA);
  } catch (const c10::Error&) {
    return nullptr;  // a build without CUDA
  }
}

// torch's own kernels switch to a tensor's device by the guard of its type. A build without CUDA has none, and that of a build with it refuses
// a device that isn't there ("invalid device ordinal").
void guard_devices(bool real) {
  static const c10::impl::NoOpDeviceGuardImpl<c10::DeviceType::CUDA> none;
  static const c10::impl::DeviceGuardImplInterface* torchs = nullptr;
  auto& guard = c10::impl::device_guard_impl_registry[static_cast<size_t>(c10::DeviceType::CUDA)];
  if (!real) torchs = guard.load();
  guard.store(real ? torchs : &none);
}

}  // namespace

void set_phantoms(int index) {
  static c10::Allocator* before = nullptr;
  const bool on = index >= 0;
  g_no_memory.index = static_cast<c10::DeviceIndex>(on ? index : 0);
  if (on == phantoms()) return;
  if (on) before = torchs_allocator();
  guard_devices(!on);
  g_phantoms.store(on);
  library().reset();
  c10::SetAllocator(c10::DeviceType::CUDA, on ? &g_no_memory : before, 255);
  if (!on) return;
  library() = std::make_unique<torch::Library>(torch::Library::IMPL, "aten", c10::DispatchKey::CUDA, "flag_gems", 2);
  library()->impl("empty.memory_format", TORCH_FN(empty));
  library()->impl("empty_strided", TORCH_FN(empty_strided));
  library()->impl("resize_", TORCH_FN(resize));
  for (const char* name : {"view", "as_strided", "_reshape_alias"}) {
    const auto handle = c10::Dispatcher::singleton().findSchema({std::string("aten::") + name, ""});
    if (!handle || handle->hasKernelForDispatchKey(c10::DispatchKey::CUDA)) continue;
    auto kernel = std::make_unique<AsOnCpu>(handle->getComputedKernelForDispatchKey(c10::DispatchKey::CPU));
    library()->impl(name, torch::CppFunction::makeFromBoxedKernel(c10::BoxedKernel::makeFromFunctor(std::move(kernel))));
  }
}

}  // namespace gems::torch_binding
