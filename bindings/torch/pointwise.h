// The part of a pointwise call that boxed and unboxed entries share.
#pragma once
#include <ATen/core/Tensor.h>

#include "bindings/torch/row.h"
#include "core/plan/plan.h"

namespace gems::torch_binding {

// call.op/nout/nin/npar and number operands call.t[1+k] are set; tensors[k] is operand k or null; pars[i] hold .dtype/.imm/.flags.
// `given`: the in-place or out= tensor; `generated`: see Row. Otherwise `result` is allocated.
// false: nothing was written, run the native kernel.
bool run_pointwise(gems_call& call, const at::Tensor* const* tensors, const gems_tensor* pars, const at::Tensor* given,
                   bool inplace, at::Tensor& result, bool generated = false);

// Fills in what run_pointwise is given, from the argument block of a row's call; `tensors` are null before. False: not for our kernel.
bool take_arguments(const Row& r, const c10::IValue* a, gems_call& call, const at::Tensor** tensors, gems_tensor* pars);

}  // namespace gems::torch_binding
