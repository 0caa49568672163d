#include "bindings/torch/tensors.h"

#include <c10/core/StorageImpl.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <dlfcn.h>

#include <cstring>

#include "bindings/torch/allocator.h"
#include "bindings/torch/phantoms.h"
#include "core/backend.h"
#include "core/plan/iter.h"

namespace gems::torch_binding {

bool number(const c10::Scalar& s, gems_tensor& g, bool wrapped) {
  g.data = nullptr;
  g.sizes = g.strides = nullptr;
  g.numel = 1;
  g.ndim = 0;
  g.device_type = GEMS_CPU;
  g.device_index = 0;
  g.flags = static_cast<uint8_t>(GEMS_T_SCALAR | (wrapped ? GEMS_T_WRAPPED : 0));
  if (s.isSymbolic()) return false;
  if (s.isFloatingPoint()) {
    g.dtype = GEMS_F64;
    g.imm.d = s.toDouble();
  } else if (s.isBoolean()) {
    g.dtype = GEMS_BOOL;
    g.imm.i = s.toBool();
  } else if (s.isIntegral(false)) {
    g.dtype = GEMS_I64;
    g.imm.i = s.toLong();
  } else {
    return false;
  }
  return true;
}

bool number(const at::Tensor& t, gems_tensor& g) {
  if (is_lazy(t.unsafeGetTensorImpl())) return false;
  const void* p = t.const_data_ptr();
  const int dtype = static_cast<int>(t.scalar_type());
  g.data = nullptr;
  g.sizes = g.strides = nullptr;
  g.numel = 1;
  g.ndim = 0;
  g.device_type = GEMS_CPU;
  g.device_index = 0;
  g.dtype = static_cast<int8_t>(dtype);
  g.flags = static_cast<uint8_t>(GEMS_T_SCALAR | (t.unsafeGetTensorImpl()->is_wrapped_number() ? GEMS_T_WRAPPED : 0));
  switch (dtype) {
    case GEMS_U8: g.imm.i = *static_cast<const uint8_t*>(p); break;
    case GEMS_I8: g.imm.i = *static_cast<const int8_t*>(p); break;
    case GEMS_I16: g.imm.i = *static_cast<const int16_t*>(p); break;
    case GEMS_I32: g.imm.i = *static_cast<const int32_t*>(p); break;
    case GEMS_I64: g.imm.i = *static_cast<const int64_t*>(p); break;
    case GEMS_BOOL: g.imm.i = *static_cast<const bool*>(p); break;
    case GEMS_F16: g.imm.d = *static_cast<const c10::Half*>(p); break;
    case GEMS_BF16: g.imm.d = *static_cast<const c10::BFloat16*>(p); break;
    case GEMS_F32: g.imm.d = *static_cast<const float*>(p); break;
    case GEMS_F64: g.imm.d = *static_cast<const double*>(p); break;
    default: return false;
  }
  return true;
}

namespace {

at::Tensor make(c10::IntArrayRef sizes, const int64_t* strides, int64_t elements, int dtype, c10::Device device) {
  const bool cpu = device.type() == c10::DeviceType::CPU;
  c10::Allocator* a = cpu ? cpu_allocator() : c10::GetAllocator(device.type());
  const int64_t bytes = elements * dtype_size(dtype);
  DeviceScope scope(static_cast<int>(device.type()), device.index());
  auto storage = c10::make_intrusive<c10::StorageImpl>(c10::StorageImpl::use_byte_size_t(), bytes,
                                                       a->allocate(static_cast<size_t>(bytes)), a, /*resizable=*/true);
  auto t = at::detail::make_tensor<c10::TensorImpl>(std::move(storage),
                                                    c10::DispatchKeySet(cpu ? c10::DispatchKey::CPU : c10::DispatchKey::CUDA),
                                                    c10::scalarTypeToTypeMeta(static_cast<c10::ScalarType>(dtype)));
  c10::TensorImpl* impl = t.unsafeGetTensorImpl();
  if (strides) impl->set_sizes_and_strides(sizes, c10::IntArrayRef(strides, sizes.size()));
  else if (sizes.size() != 1 || sizes[0] != 0) impl->set_sizes_contiguous(sizes);
  return t;
}

}  // namespace

at::Tensor allocate(const OutMeta& m, c10::Device device) {
  int64_t n = 1;
  for (int d = 0; d < m.ndim; d++) n *= m.sizes[d];
  return make(c10::IntArrayRef(m.sizes, m.ndim), m.contiguous ? nullptr : m.strides, n, m.dtype, device);
}
at::Tensor allocate(c10::IntArrayRef sizes, int dtype, c10::Device device) {
  int64_t n = 1;
  for (int64_t s : sizes) n *= s;
  return make(sizes, nullptr, n, dtype, device);
}

c10::Device with_index(c10::Device d) {
  if (d.type() == c10::DeviceType::CPU) return c10::Device(c10::DeviceType::CPU);
  return d.type() == c10::DeviceType::CUDA && !d.has_index() ? c10::impl::getDeviceGuardImpl(d.type())->getDevice() : d;
}

void* current_stream(int device_type, int device_index) {
  if (device_type != GEMS_CUDA || phantoms()) return nullptr;
  // A C function of libtorch_cuda, which Python loads without making its symbols global: asked for by file name, not linked, so that
  // one binary serves torch builds with and without CUDA.
  using StreamFn = int (*)(int32_t, void**);
  static const StreamFn fn = [] {
    void* lib = dlopen("libtorch_cuda.so", RTLD_LAZY | RTLD_NOLOAD);
    return reinterpret_cast<StreamFn>(lib ? dlsym(lib, "aoti_torch_get_current_cuda_stream") : nullptr);
  }();
  TORCH_CHECK(fn,
              "flag_gems: libtorch_cuda.so has no aoti_torch_get_current_cuda_stream; remedy: flag_gems.disable(), or torch 2.11 "
              "and newer");
  void* s = nullptr;
  fn(device_index, &s);
  return s;
}

DeviceScope::DeviceScope(int device_type, int index) {
  if (device_type != GEMS_CUDA || phantoms()) return;
  static const auto* impl = c10::impl::getDeviceGuardImpl(c10::DeviceType::CUDA);
  static const bool several = impl->deviceCount() > 1;
  if (!several) return;
  const int now = impl->getDevice().index();
  if (now == index) return;
  previous_ = now;
  impl->setDevice(c10::Device(c10::DeviceType::CUDA, static_cast<c10::DeviceIndex>(index)));
}
DeviceScope::~DeviceScope() {
  if (previous_ >= 0)
    c10::impl::getDeviceGuardImpl(c10::DeviceType::CUDA)
        ->uncheckedSetDevice(c10::Device(c10::DeviceType::CUDA, static_cast<c10::DeviceIndex>(previous_)));
}

bool overlap(const gems_tensor& out, const gems_tensor* in, int nin) {
  if (overlaps_itself(out)) return true;
  for (int k = 0; k < nin; k++)
    if (overlaps_partly(out, in[k])) return true;
  return false;
}

bool same_sizes(const OutMeta& m, const at::Tensor& t) {
  if (t.dim() != m.ndim) return false;
  const auto s = t.sizes();
  for (int d = 0; d < m.ndim; d++)
    if (s[d] != m.sizes[d]) return false;
  return true;
}

bool fit_out(const OutMeta& m, const at::Tensor& out) {
  if (same_sizes(m, out)) return true;
  if (out.numel() != 0) return false;
  const c10::IntArrayRef sizes(m.sizes, m.ndim);
  out.resize_(sizes);
  if (!m.contiguous) out.as_strided_(sizes, c10::IntArrayRef(m.strides, m.ndim));  // the layout a new result would have
  return true;
}

std::string text_of(c10::IntArrayRef sizes) {
  std::string s = "[";
  for (size_t d = 0; d < sizes.size(); d++) s += (d ? ", " : "") + std::to_string(sizes[d]);
  return s + "]";
}

bool done(gems_status s, const gems_call& call) {
  if (s == GEMS_OK) return true;
  if (s == GEMS_UNSUPPORTED) return false;
  TORCH_CHECK(std::strcmp(last_error(), "ZeroDivisionError") != 0, last_error());  // torch's own words
  std::string text = std::string("flag_gems: ") + call.op->name + " failed: " + last_error() + " (operands:";
  for (int k = call.nout; k < call.nout + call.nin; k++) {
    const gems_tensor& t = call.t[k];
    if (t.flags & GEMS_T_ABSENT) continue;
    text += std::string(" ") + dtype_name(t.dtype) + "[";
    for (int d = 0; d < t.ndim; d++) text += (d ? "," : "") + std::to_string(t.sizes[d]);
    text += "]";
  }
  text +=
      std::string(" on ") + (call.t[0].device_type == GEMS_CUDA ? "cuda:" + std::to_string(call.t[0].device_index) : "cpu") + ")";
  const bool index = std::string(last_error()).find("out of range") != std::string::npos;
  TORCH_CHECK_INDEX(!index, last_error());
  TORCH_CHECK(false, text);
}

}  // namespace gems::torch_binding
