// Between at::Tensor and gems_tensor: views without reference counting, allocation of outputs, streams.
#pragma once
#include <ATen/core/Tensor.h>
#include <c10/core/ScalarType.h>
#include <c10/core/TensorImpl.h>

#include "core/plan/plan.h"

namespace gems::torch_binding {

// Values that aren't in the tensor's memory: zeros without memory (forward mode's tangents), negative and conjugate views. torch
// resolves them before an operator is called, but for those that it lets through: clone, copy_, neg_, add.Scalar, ... A view of one has no
// dtype that is served, so that the native kernel runs, which knows them.
constexpr int8_t kDtypeOfLazy = static_cast<int8_t>(c10::ScalarType::Undefined);
C10_ALWAYS_INLINE bool is_lazy(const c10::TensorImpl* impl) {
  constexpr c10::DispatchKeySet lazy({c10::DispatchKey::ZeroTensor, c10::DispatchKey::Negative, c10::DispatchKey::Conjugate});
  return C10_UNLIKELY(impl->key_set().has_any(lazy));
}

// The tensor must outlive the view. Data pointers are const here; outputs get theirs through `writable`.
C10_ALWAYS_INLINE void view(const at::Tensor& t, gems_tensor& g) {
  const c10::TensorImpl* impl = t.unsafeGetTensorImpl();
  const auto sizes = impl->sizes();
  g.data = const_cast<void*>(t.const_data_ptr());
  g.sizes = sizes.data();
  g.strides = impl->strides().data();
  g.numel = impl->numel();
  g.ndim = static_cast<int32_t>(sizes.size());
  g.dtype = is_lazy(impl) ? kDtypeOfLazy : static_cast<int8_t>(c10::typeMetaToScalarType(impl->dtype()));
  const c10::Device d = impl->device();
  g.device_type = static_cast<int8_t>(d.type());
  g.device_index = d.index() < 0 ? 0 : d.index();
  g.flags = impl->is_contiguous() ? GEMS_T_CONTIGUOUS : 0;
}
inline void writable(const at::Tensor& t, gems_tensor& g) {
  view(t, g);
  g.data = t.mutable_data_ptr();
}
inline void absent(gems_tensor& g) {
  g = gems_tensor{};
  g.flags = GEMS_T_ABSENT;
}

// A number of the caller's program (c10::Scalar); false for complex and symbolic ones. `wrapped`: takes part in promotion as a number.
bool number(const c10::Scalar& s, gems_tensor& g, bool wrapped = true);
// The value of a 0-d CPU tensor as a scalar operand of that dtype; false if its dtype isn't served.
bool number(const at::Tensor& t, gems_tensor& g);

// Fresh memory: CPU outputs from the library's caching allocator, CUDA ones from torch's.
at::Tensor allocate(const OutMeta& m, c10::Device device);
at::Tensor allocate(c10::IntArrayRef sizes, int dtype, c10::Device device);  // contiguous

// The device that a program means by "cuda": the current one. The CPU has no index.
c10::Device with_index(c10::Device d);

// The current stream of the framework on a device: cudaStream_t for CUDA, nullptr for the CPU.
void* current_stream(int device_type, int device_index);

// Makes `index` the current CUDA device for the scope, if it isn't; free with one GPU.
class DeviceScope {
 public:
  DeviceScope(int device_type, int index);
  ~DeviceScope();

 private:
  int previous_ = -1;
};

// True if every defined tensor operand lies on this device (0-d CPU tensors were turned into numbers before).
inline bool same_device(const gems_tensor& a, const gems_tensor& b) {
  return (b.flags & (GEMS_T_SCALAR | GEMS_T_ABSENT)) || (a.device_type == b.device_type && a.device_index == b.device_index);
}
// Output memory that a kernel may not write to: it overlaps itself, or partly overlaps an input.
bool overlap(const gems_tensor& out, const gems_tensor* in, int nin);
bool same_sizes(const OutMeta& m, const at::Tensor& t);
// Resizes an empty out= tensor; false if its shape is wrong otherwise (the native kernel warns and resizes, or raises).
bool fit_out(const OutMeta& m, const at::Tensor& out);

// The text of an error. Not c10::str: its streams cross into libc10, which crashes where a toolchain gives this module a libstdc++ of
// its own (seen with torch 2.11's conda-like compiler: an error message with sizes in it).
inline std::string text_of(const char* s) { return s; }
inline std::string text_of(const std::string& s) { return s; }
std::string text_of(c10::IntArrayRef sizes);
inline std::string text_of(c10::ScalarType t) { return c10::toString(t); }
inline std::string text_of(c10::Device d) { return d.str(); }
template <class... A> std::string message(const A&... parts) { return (text_of(parts) + ...); }

// FAILED becomes an exception naming operator, dtypes, shapes and device; UNSUPPORTED returns false.
bool done(gems_status s, const gems_call& call);

}  // namespace gems::torch_binding
