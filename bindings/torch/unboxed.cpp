#include "bindings/torch/unboxed.h"

#include "bindings/torch/handlers.h"
#include "bindings/torch/pointwise.h"
#include "bindings/torch/registration.h"
#include "bindings/torch/tensors.h"

namespace gems::torch_binding {
namespace {

using at::Tensor;
using c10::Scalar;

// Slow road of an unboxed entry: our entry is not active, doesn't serve the call, or somebody observes it.
template <class... A> Tensor boxed(Row* r, int device, c10::DispatchKeySet ks, const A&... args) {
  torch::jit::Stack st;
  st.reserve(sizeof...(A));
  (st.emplace_back(args), ...);
  run_boxed(*r, device, ks, st);
  return std::move(st.back()).toTensor();
}

inline bool operand(const Tensor& t, const Tensor*& tensor, gems_tensor&) {
  tensor = &t;
  return t.defined();
}
inline bool operand(const Scalar& s, const Tensor*& tensor, gems_tensor& g) {
  tensor = nullptr;
  return number(s, g);
}

// I operands, then P numbers.
template <int I, class... A> Tensor pointwise(Row* r, int device, c10::DispatchKeySet ks, const A&... args) {
  constexpr int N = sizeof...(A), P = N - I;
  if (C10_LIKELY(r->active.load(std::memory_order_relaxed) && !observed())) {
    gems_call call;
    call.op = r->op;
    call.nout = 1;
    call.nin = I;
    call.npar = P;
    const Tensor* tensors[N];
    gems_tensor pars[P > 0 ? P : 1];
    int k = 0;
    bool good = true;
    auto take = [&](const auto& a) {
      const Tensor* none;
      good = (k < I ? operand(a, tensors[k], call.t[1 + k]) : operand(a, none, pars[k - I])) && good;
      k++;
    };
    (take(args), ...);
    Tensor result;
    if (good && run_pointwise(call, tensors, pars, nullptr, false, result)) {
      r->counters[device].own.fetch_add(1, std::memory_order_relaxed);
      return result;
    }
  }
  return boxed(r, device, ks, args...);
}

enum class Kind { tensor, scalar, other };

}  // namespace

bool register_unboxed(torch::Library& lib, Row& row, int device) {
  const auto& schema = row.handle->schema();
  const auto& args = schema.arguments();
  if (row.handler != &handle_pointwise || row.nouts || row.inplace || schema.returns().size() != 1 || args.size() > 3)
    return false;
  if (static_cast<int>(args.size()) != row.op->in + row.op->par) return false;
  Kind kinds[3] = {Kind::other, Kind::other, Kind::other};
  for (size_t i = 0; i < args.size(); i++)
    kinds[i] = args[i].type()->kind() == c10::TypeKind::TensorType   ? Kind::tensor
               : args[i].type()->kind() == c10::TypeKind::NumberType ? Kind::scalar
                                                                     : Kind::other;
  auto is = [&](std::initializer_list<Kind> k) { return args.size() == k.size() && std::equal(k.begin(), k.end(), kinds); };
  constexpr Kind T = Kind::tensor, S = Kind::scalar;
  Row* r = &row;
  const int in = row.op->in;
  auto add = [&](auto f) {
    lib.impl(row.key.c_str(), torch::CppFunction(std::move(f)));
    return true;
  };
  using Keys = c10::DispatchKeySet;
  if (in == 1 && is({T})) return add([r, device](Keys ks, const Tensor& a) { return pointwise<1>(r, device, ks, a); });
  if (in == 2 && is({T, T}))
    return add([r, device](Keys ks, const Tensor& a, const Tensor& b) { return pointwise<2>(r, device, ks, a, b); });
  if (in == 2 && is({T, T, S}))
    return add(
        [r, device](Keys ks, const Tensor& a, const Tensor& b, const Scalar& c) { return pointwise<2>(r, device, ks, a, b, c); });
  if (in == 2 && is({T, S}))
    return add([r, device](Keys ks, const Tensor& a, const Scalar& b) { return pointwise<2>(r, device, ks, a, b); });
  if (in == 3 && is({T, T, T}))
    return add(
        [r, device](Keys ks, const Tensor& a, const Tensor& b, const Tensor& c) { return pointwise<3>(r, device, ks, a, b, c); });
  return false;
}

}  // namespace gems::torch_binding
