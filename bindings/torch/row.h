// One served ATen overload: what the dispatcher knows of it, how its arguments map to our operator, its native kernel, its counters.
#pragma once
#include <ATen/core/Tensor.h>
#include <ATen/core/boxing/KernelFunction.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "core/plan/plan.h"
#include "core/registry.h"

namespace gems::torch_binding {

constexpr int kMaxOperands = 4, kMaxPars = 4, kMaxOuts = 3;
enum Device { kOnCpu = 0, kOnCuda = 1, kDevices = 2 };

struct Row;
// Runs the call on our kernel: takes the arguments off the stack and pushes the results. false: the stack is untouched and the
// native kernel has to run.
using Handler = bool (*)(Row& row, torch::jit::Stack& stack);

struct Counters {
  std::atomic<int64_t> own{0}, native{0}, own_ns{0}, native_ns{0};
};

struct Row {
  int index = 0;
  const gems_op_info* op = nullptr;
  const gems_op_info* second = nullptr;   // the operator NAME_second, which computes the second result of some pointwise rows
  std::string key;                        // "add.Tensor"
  std::string function;                   // Python name: "add"
  std::string ns;                         // "aten" or "flag_gems"
  c10::OperatorHandle* handle = nullptr;  // immortal
  Handler handler = nullptr;
  // CompositeImplicitAutograd without a kernel of the device: needs a second registration at the autograd key
  bool implicit[kDevices] = {false, false};
  std::atomic<bool> active{false};
  // the kernel below ours, by device, and the composite at the autograd key; captured before we register
  std::unique_ptr<c10::SafeKernelFunction> native[kDevices], autograd[kDevices];
  Counters counters[kDevices];

  // arguments, by position in the schema; -1 = not there
  int nargs = 0, nrets = 0;
  bool inplace = false;
  int nouts = 0;           // out= arguments
  bool generated = false;  // an out= overload that torch made from the functional one: it refuses outputs of another dtype
  int8_t outs[kMaxOuts] = {-1, -1, -1};
  int8_t operand[kMaxOperands] = {-1, -1, -1, -1};
  int8_t par[kMaxPars] = {-1, -1, -1, -1};
  std::vector<std::string> choices;              // for a str argument
  double missing[kMaxOperands + kMaxPars] = {};  // value of an operand given as None, from op->in on of a parameter
  int8_t reduction = -1;                         // of a loss
  int8_t dim = -1, keepdim = -1, dtype = -1, beta = -1, alpha = -1;

  int find(const char* name) const;  // position of an argument; cold
};

std::vector<Row*>& rows();  // immortal
void build_rows(bool with_custom);

// The argument block of a boxed call.
inline c10::IValue* arguments(const Row& r, torch::jit::Stack& st) { return st.data() + (st.size() - r.nargs); }
inline void finish(const Row& r, torch::jit::Stack& st, at::Tensor result) {
  st.erase(st.end() - r.nargs, st.end());
  st.emplace_back(std::move(result));
}

}  // namespace gems::torch_binding
