// Builds the table of served overloads from the operator declarations and the schemas of the torch that is running.
#include <ATen/core/enum_tag.h>

#include <algorithm>
#include <cfloat>
#include <cstring>
#include <sstream>

#include "bindings/torch/handlers.h"
#include "bindings/torch/row.h"

namespace gems::torch_binding {

std::vector<Row*>& rows() {
  static auto* v = new std::vector<Row*>;
  return *v;
}

int Row::find(const char* name) const {
  const auto& args = handle->schema().arguments();
  for (size_t i = 0; i < args.size(); i++)
    if (args[i].name() == name) return static_cast<int>(i);
  return -1;
}

namespace {

std::vector<std::string> words(const char* text) {
  std::istringstream in(text);
  std::vector<std::string> out;
  for (std::string w; in >> w;) out.push_back(w);
  return out;
}

// Base name, "_out" for out overloads: "add.Tensor" -> add, "eq.Tensor_out" -> eq_out, "gelu_backward.grad_input" -> ..._out
std::string default_function(const std::string& base, bool out) { return out ? base + "_out" : base; }

bool is_number(const c10::TypePtr& t) {
  switch (t->kind()) {
    case c10::TypeKind::NumberType:
    case c10::TypeKind::IntType:
    case c10::TypeKind::FloatType:
    case c10::TypeKind::BoolType:
    case c10::TypeKind::StringType:
    case c10::TypeKind::SymIntType: return true;
    case c10::TypeKind::OptionalType: return is_number(t->castRaw<c10::OptionalType>()->getElementType());
    default: return false;
  }
}

bool is_tensor(const c10::TypePtr& t) {
  return t->kind() == c10::TypeKind::TensorType ||
         (t->kind() == c10::TypeKind::OptionalType &&
          t->castRaw<c10::OptionalType>()->getElementType()->kind() == c10::TypeKind::TensorType);
}

void map_arguments(Row& r) {
  const auto& schema = r.handle->schema();
  const auto& args = schema.arguments();
  r.nargs = static_cast<int>(args.size());
  r.nrets = static_cast<int>(schema.returns().size());
  int k = 0, p = 0,
      tensors = 0;  // tensors still to come: a number is an operand only where they don't fill the places (elu_backward)
  for (const auto& a : args) tensors += !a.is_out() && is_tensor(a.type());
  for (int i = 0; i < r.nargs; i++) {
    const auto& a = args[i];
    if (a.is_out()) {
      if (r.nouts < kMaxOuts) r.outs[r.nouts++] = static_cast<int8_t>(i);
      continue;
    }
    if (i == 0 && a.alias_info() && a.alias_info()->isWrite()) r.inplace = true;
    const bool number = is_number(a.type());
    tensors -= is_tensor(a.type());
    if (k < r.op->in && k < kMaxOperands && !(number && tensors >= r.op->in - k)) r.operand[k++] = static_cast<int8_t>(i);
    else if (p < r.op->par && p < kMaxPars && number) r.par[p++] = static_cast<int8_t>(i);
  }
  r.dim = static_cast<int8_t>(r.find("dim"));
  r.keepdim = static_cast<int8_t>(r.find("keepdim"));
  r.dtype = static_cast<int8_t>(r.find("dtype"));
  r.reduction = static_cast<int8_t>(r.find("reduction"));
  r.beta = static_cast<int8_t>(r.find("beta"));
  r.alpha = static_cast<int8_t>(r.find("alpha"));
  r.choices = words(r.op->choices);
  const auto missing = words(r.op->missing);
  for (size_t i = 0; i < missing.size() && i < kMaxOperands + kMaxPars; i++)
    r.missing[i] = missing[i] == "-"       ? 0
                   : missing[i] == "most"  ? DBL_MAX
                   : missing[i] == "least" ? -DBL_MAX
                                           : std::stod(missing[i]);
}

}  // namespace

void build_rows(bool with_custom) {
  if (!rows().empty()) return;
  for (int id = 0; id < op_count(); id++) {
    const gems_op_info* op = op_at(id);
    for (const std::string& word : words(op->aten)) {
      const size_t eq = word.find('=');
      std::string key = word.substr(0, eq), ns = "aten";
      const size_t colon = key.find("::");
      if (colon != std::string::npos) {
        ns = key.substr(0, colon);
        key = key.substr(colon + 2);
      }
      if (ns != "aten" && !with_custom) continue;
      const size_t dot = key.find('.');
      const std::string base = key.substr(0, dot), overload = dot == std::string::npos ? "" : key.substr(dot + 1);
      // An overload that this torch doesn't have is left out: one source serves several versions.
      auto handle = c10::Dispatcher::singleton().findSchema({ns + "::" + base, overload});
      const Handler handler = handler_for(op, base);
      if (!handle || !handler) continue;
      auto* r = new Row;
      r->index = static_cast<int>(rows().size());
      r->op = op;
      r->second = op_find((std::string(op->name) + "_second").c_str());
      r->key = key;
      r->ns = ns;
      r->handle = new c10::OperatorHandle(*handle);
      r->handler = handler;
      r->generated = handle->hasTag(at::Tag::generated);
      const bool composite = handle->hasKernelForDispatchKey(c10::DispatchKey::CompositeImplicitAutograd);
      r->implicit[kOnCpu] = composite && !handle->hasKernelForDispatchKey(c10::DispatchKey::CPU);
      r->implicit[kOnCuda] = composite && !handle->hasKernelForDispatchKey(c10::DispatchKey::CUDA);
      map_arguments(*r);
      r->function = eq == std::string::npos ? default_function(base, r->nouts > 0) : word.substr(eq + 1);
      rows().push_back(r);
    }
  }
}

}  // namespace gems::torch_binding
