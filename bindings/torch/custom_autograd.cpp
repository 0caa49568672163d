// The autograd entry of our own operators (torch.ops.flag_gems.*). Their gradients are registered in Python; a Python kernel costs
// 10 us a call even where no gradient is asked for, so this entry looks first and goes straight to our kernel.
#include <ATen/core/grad_mode.h>
#include <torch/library.h>

#include "bindings/torch/registration.h"
#include "bindings/torch/row.h"

namespace gems::torch_binding {
namespace {

struct CustomAutograd final : c10::OperatorKernel {
  CustomAutograd(const Row* row, c10::SafeKernelFunction with_gradients) : r(row), python(std::move(with_gradients)) {
    const auto& args = r->handle->schema().arguments();
    for (int i = 0; i < r->nargs; i++)
      if (args[i].alias_info() && args[i].alias_info()->isWrite()) written.push_back(i);
  }
  void operator()(const c10::OperatorHandle& op, c10::DispatchKeySet ks, torch::jit::Stack* st) {
    const c10::IValue* a = arguments(*r, *st);
    if (c10::GradMode::is_enabled())
      for (int i = 0; i < r->nargs; i++)
        if (a[i].isTensor() && a[i].toTensor().requires_grad()) return python.callBoxed(op, ks, st);
    // What a graph saved of an argument that is overwritten must be seen to be stale.
    for (int i : written) {
      const at::Tensor& t = a[i].toTensor();
      if (!t.is_inference()) t.unsafeGetTensorImpl()->bump_version();
    }
    c10::impl::ExcludeDispatchKeyGuard guard(c10::autograd_dispatch_keyset_with_ADInplaceOrView);
    op.redispatchBoxed(ks & c10::after_autograd_keyset, st);
  }
  const Row* r;
  c10::SafeKernelFunction python;
  std::vector<int> written;
};

}  // namespace

void define_custom_autograd() {
  static auto* libraries = [] {
    auto* v = new std::vector<std::unique_ptr<torch::Library>>;
    for (const c10::DispatchKey key : {c10::DispatchKey::AutogradCPU, c10::DispatchKey::AutogradCUDA}) {
      v->push_back(std::make_unique<torch::Library>(torch::Library::IMPL, "flag_gems", key, "flag_gems", 1));
      for (const Row* r : rows())
        if (r->ns == "flag_gems" && r->handle->hasKernelForDispatchKey(c10::DispatchKey::Autograd)) {
          auto entry = std::make_unique<CustomAutograd>(r, r->handle->getComputedKernelForDispatchKey(key));
          v->back()->impl(r->key.c_str(),
                          torch::CppFunction::makeFromBoxedKernel(c10::BoxedKernel::makeFromFunctor(std::move(entry))));
        }
    }
    return v;
  }();
  (void)libraries;
}

}  // namespace gems::torch_binding
