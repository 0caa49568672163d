// Matrix products. t = out, self or ABSENT, a, b; par = beta, alpha.
#include <ATen/core/grad_mode.h>

#include <cstring>

#include "bindings/torch/handlers.h"
#include "bindings/torch/tensors.h"
#include "core/backend.h"

namespace gems::torch_binding {
namespace {

bool launch(gems_call& call, double beta, double alpha) {
  call.nout = 1;
  call.nin = 3;
  call.npar = 2;
  call.par[0].d = beta;
  call.par[1].d = alpha;
  const int d = call.t[0].dtype;
  call.compute = static_cast<int8_t>(d == GEMS_F64 ? GEMS_F64 : dtype_is_float(d) ? GEMS_F32 : GEMS_I64);
  call.stream = current_stream(call.t[0].device_type, call.t[0].device_index);
  DeviceScope scope(call.t[0].device_type, call.t[0].device_index);
  return done(run(call), call);
}

bool real_number(const c10::IValue& v, int dtype, double& out) {
  const c10::Scalar s = v.toScalar();
  if (s.isComplex() || s.isSymbolic() || (!dtype_is_float(dtype) && s.isFloatingPoint())) return false;
  out = s.toDouble();
  return true;
}

// An extension while the library is enabled (documented in docs/design.md): mm and addmm take operands with one equal batch dimension
// before the matrices, which torch refuses. Without gradients: torch's derivative formulas of mm know matrices only.
bool run_batches(Row& r, torch::jit::Stack& st) {
  c10::IValue* arg = arguments(r, st);
  const int at = r.beta >= 0 ? 1 : 0;
  if (r.inplace || r.nouts) return false;
  for (int i = 0; i < at + 2; i++) {
    const at::Tensor& t = arg[i].toTensor();
    if (t.dim() != 3 || t.size(0) != arg[0].toTensor().size(0) || (c10::GradMode::is_enabled() && t.requires_grad()))
      return false;
  }
  at::Tensor out;
  if (at) {
    static const auto op =
        c10::Dispatcher::singleton()
            .findSchemaOrThrow("aten::baddbmm", "")
            .typed<at::Tensor(const at::Tensor&, const at::Tensor&, const at::Tensor&, const c10::Scalar&, const c10::Scalar&)>();
    out = op.call(arg[0].toTensor(), arg[1].toTensor(), arg[2].toTensor(), arg[r.beta].toScalar(), arg[r.alpha].toScalar());
  } else {
    static const auto op =
        c10::Dispatcher::singleton().findSchemaOrThrow("aten::bmm", "").typed<at::Tensor(const at::Tensor&, const at::Tensor&)>();
    out = op.call(arg[0].toTensor(), arg[1].toTensor());
  }
  finish(r, st, std::move(out));
  return true;
}

}  // namespace

bool handle_matmul(Row& r, torch::jit::Stack& st) {
  c10::IValue* arg = arguments(r, st);
  const bool has_self = r.beta >= 0;
  const int at = has_self ? 1 : 0;
  const at::Tensor &a = arg[at].toTensor(), &b = arg[at + 1].toTensor();
  const int dtype = static_cast<int>(a.scalar_type());
  if (!dtype_is_served(dtype) || dtype == GEMS_BOOL || b.scalar_type() != a.scalar_type() || a.device() != b.device())
    return false;
  const bool vector = b.dim() == 1;  // mv
  const int nd = static_cast<int>(a.dim());
  // mm takes matrices only and bmm batches only: torch says so
  const bool batched = std::strstr(r.op->name, "bmm") != nullptr;
  if (!batched && !vector && nd == 3) return run_batches(r, st);
  if (nd != (batched ? 3 : 2) || (vector ? std::strcmp(r.op->name, "mv") != 0 : b.dim() != nd)) return false;
  const int64_t m = a.size(nd - 2), k = a.size(nd - 1), n = vector ? 1 : b.size(nd - 1);
  if (b.size(vector ? 0 : nd - 2) != k || (nd == 3 && a.size(0) != b.size(0))) return false;
  OutMeta meta;
  meta.ndim = vector ? 1 : nd;
  if (nd == 3) meta.sizes[0] = a.size(0);
  meta.sizes[meta.ndim - (vector ? 1 : 2)] = m;
  if (!vector) meta.sizes[meta.ndim - 1] = n;
  meta.dtype = dtype;
  gems_call call;
  call.op = r.op;
  view(a, call.t[2]);
  view(b, call.t[3]);
  const int64_t vs[2] = {k, 1}, vst[2] = {vector ? b.stride(0) : 0, 1};
  if (vector) {
    call.t[3].sizes = vs;
    call.t[3].strides = vst;
    call.t[3].ndim = 2;
  }
  absent(call.t[1]);
  double beta = 0, alpha = 1;
  int64_t self_strides[3];
  if (has_self) {
    const at::Tensor& self = arg[0].toTensor();
    if (self.scalar_type() != a.scalar_type() || self.device() != a.device() || self.dim() > meta.ndim) return false;
    if (!real_number(arg[r.beta], dtype, beta) || !real_number(arg[r.alpha], dtype, alpha)) return false;
    view(self, call.t[1]);
    const int off = meta.ndim - static_cast<int>(self.dim());
    for (int d = 0; d < meta.ndim; d++) {
      const int64_t s = d < off ? 1 : self.size(d - off);
      if (s != 1 && s != meta.sizes[d]) return false;
      self_strides[d] = d < off || (s == 1 && meta.sizes[d] != 1) ? 0 : self.stride(d - off);
    }
    call.t[1].sizes = meta.sizes;
    call.t[1].strides = self_strides;
    call.t[1].ndim = meta.ndim;
  }
  at::Tensor out;
  if (r.inplace || r.nouts) {
    out = r.inplace ? arg[0].toTensor() : arg[r.outs[0]].toTensor();
    if (static_cast<int>(out.scalar_type()) != dtype || out.device() != a.device()) return false;
    if (r.inplace ? !same_sizes(meta, out) : !fit_out(meta, out)) return false;
  } else {
    out = allocate(meta, a.device());
  }
  writable(out, call.t[0]);
  if (r.inplace || r.nouts) {
    if (overlap(call.t[0], call.t + 2, 2) || call.t[0].data == call.t[2].data || call.t[0].data == call.t[3].data) return false;
    if (has_self && !r.inplace && overlap(call.t[0], call.t + 1, 1)) return false;
  }
  const int64_t os[2] = {m, 1}, ost[2] = {vector ? out.stride(0) : 0, 1};
  if (vector) {
    call.t[0].sizes = os;
    call.t[0].strides = ost;
    call.t[0].ndim = 2;
  }
  if (!launch(call, beta, alpha)) return false;
  finish(r, st, std::move(out));
  return true;
}

bool handle_linear(Row& r, torch::jit::Stack& st) {
  if (r.nouts) return false;
  c10::IValue* arg = arguments(r, st);
  const at::Tensor &x = arg[0].toTensor(), &w = arg[1].toTensor();
  const int dtype = static_cast<int>(x.scalar_type()), nd = static_cast<int>(x.dim());
  if (nd < 1 || nd > kMaxRank || w.dim() != 2 || !dtype_is_float(dtype) || w.scalar_type() != x.scalar_type() ||
      x.device() != w.device() || x.size(nd - 1) != w.size(1) || !x.is_contiguous())
    return false;
  const int64_t k = w.size(1), n = w.size(0);
  if (k == 0 || x.numel() == 0) return false;
  const int64_t m = x.numel() / k;
  OutMeta meta;
  meta.ndim = nd;
  for (int d = 0; d < nd - 1; d++) meta.sizes[d] = x.size(d);
  meta.sizes[nd - 1] = n;
  meta.dtype = dtype;
  gems_call call;
  call.op = r.op;
  view(x, call.t[2]);
  view(w, call.t[3]);
  const int64_t as[2] = {m, k}, ast[2] = {k, 1}, bs[2] = {k, n}, bst[2] = {w.stride(1), w.stride(0)}, os[2] = {m, n},
                ost[2] = {n, 1};
  call.t[2].sizes = as;
  call.t[2].strides = ast;
  call.t[2].ndim = 2;
  call.t[3].sizes = bs;
  call.t[3].strides = bst;
  call.t[3].flags = 0;
  absent(call.t[1]);
  int64_t self_strides[2];
  const bool bias = arg[2].isTensor() && arg[2].toTensor().defined();
  if (bias) {
    const at::Tensor& b = arg[2].toTensor();
    if (b.dim() != 1 || b.size(0) != n || b.scalar_type() != x.scalar_type() || b.device() != x.device()) return false;
    view(b, call.t[1]);
    self_strides[0] = 0;
    self_strides[1] = b.stride(0);
    call.t[1].sizes = os;
    call.t[1].strides = self_strides;
    call.t[1].ndim = 2;
  }
  at::Tensor out = allocate(meta, x.device());
  writable(out, call.t[0]);
  call.t[0].sizes = os;
  call.t[0].strides = ost;
  call.t[0].ndim = 2;
  if (!launch(call, bias ? 1 : 0, 1)) return false;
  finish(r, st, std::move(out));
  return true;
}

Handler handler_for(const gems_op_info* op, const std::string& base) {
  struct Special {
    const char* base;
    Handler handler;
  };
  static const Special specials[] = {
      {"log_sigmoid_forward", handle_pointwise_pair},
      {"_prelu_kernel_backward", handle_pointwise_pair},
      {"log_sigmoid_backward", handle_log_sigmoid_backward},
      {"glu", handle_glu},
      {"signbit", handle_sign},
      {"isposinf", handle_sign},
      {"isneginf", handle_sign},
      {"softshrink", handle_softshrink},
      {"mse_loss", handle_loss},
      {"smooth_l1_loss", handle_loss},
      {"huber_loss", handle_loss},
      {"soft_margin_loss", handle_loss},
      {"binary_cross_entropy", handle_loss},
      {"mse_loss_backward", handle_loss_backward},
      {"smooth_l1_loss_backward", handle_loss_backward},
      {"huber_loss_backward", handle_loss_backward},
      {"soft_margin_loss_backward", handle_loss_backward},
      {"binary_cross_entropy_backward", handle_loss_backward},
      {"linalg_vector_norm", handle_vector_norm},
      {"trace", handle_trace},
      {"equal", handle_equal},
      {"nll_loss_forward", handle_nll_loss},
      {"nll_loss2d_forward", handle_nll_loss},
      {"nll_loss_backward", handle_nll_loss_backward},
      {"nll_loss2d_backward", handle_nll_loss_backward},
      {"native_batch_norm", handle_batch_norm},
      {"_native_batch_norm_legit", handle_batch_norm},
      {"_batch_norm_with_update", handle_batch_norm},
      {"native_batch_norm_backward", handle_batch_norm_backward},
      {"batch_norm_backward", handle_batch_norm_backward},
      {"native_group_norm", handle_group_norm},
      {"native_group_norm_backward", handle_group_norm_backward},
      {"_weight_norm_interface", handle_weight_norm},
      {"_weight_norm_interface_backward", handle_weight_norm},
      {"_safe_softmax", handle_safe_softmax},
      {"_softmax", handle_softmax},
      {"_log_softmax", handle_softmax},
      {"_softmax_backward_data", handle_softmax_backward},
      {"_log_softmax_backward_data", handle_softmax_backward},
      {"native_layer_norm", handle_layer_norm},
      {"native_layer_norm_backward", handle_layer_norm_backward},
      {"rms_norm", handle_rms_norm},
      {"_fused_rms_norm", handle_rms_norm},
      {"_fused_rms_norm_backward", handle_rms_norm_backward},
      {"fused_add_rms_norm", handle_fused_add_rms_norm},
      {"gather", handle_gather},
      {"index_select", handle_index_select},
      {"embedding", handle_embedding},
      {"embedding_dense_backward", handle_embedding_backward},
      {"tril", handle_tri},
      {"tril_", handle_tri},
      {"triu", handle_tri},
      {"triu_", handle_tri},
      {"arange", handle_arange},
      {"rand", handle_rand},
      {"randn", handle_rand},
      {"randint", handle_rand},
      {"rand_like", handle_rand_like},
      {"randn_like", handle_rand_like},
      {"randint_like", handle_rand_like},
      {"bernoulli", handle_bernoulli_of},
      {"normal", handle_normal_of},
      {"copy_", handle_copy_},
      {"_to_copy", handle_to_copy},
      {"clone", handle_clone},
      {"fill_", handle_fill_},
      {"zero_", handle_fill_},
      {"full", handle_full},
      {"zeros", handle_full},
      {"ones", handle_full},
      {"cat", handle_cat},
      {"stack", handle_cat},
      {"linear", handle_linear},
      {"sort", handle_sort},
      {"topk", handle_topk},
      {"kthvalue", handle_nth},
      {"mode", handle_mode},
      {"cummax", handle_cummax},
      {"_cummax_helper", handle_cummax},
      {"cummin", handle_cummax},
      {"_cummin_helper", handle_cummax},
      {"_unique2", handle_unique},
      {"_unique", handle_unique},
      {"unique_consecutive", handle_unique},
      {"isin", handle_isin},
      {"searchsorted", handle_searchsorted},
      {"bucketize", handle_searchsorted},
      {"bincount", handle_bincount},
      {"histc", handle_histc},
      {"full_like", handle_full_like},
      {"zeros_like", handle_full_like},
      {"ones_like", handle_full_like},
      {"new_full", handle_full_like},
      {"new_zeros", handle_full_like},
      {"new_ones", handle_full_like},
      {"repeat", handle_repeat},
      {"constant_pad_nd", handle_constant_pad},
      {"eye", handle_eye},
      {"linspace", handle_linspace},
      {"range", handle_arange},
      {"repeat_interleave", handle_repeat_interleave},
      {"flip", handle_flip},
      {"roll", handle_roll},
      {"unfold_backward", handle_unfold_backward},
      {"reflection_pad1d", handle_pad},
      {"reflection_pad1d_backward", handle_pad},
      {"reflection_pad2d", handle_pad},
      {"reflection_pad2d_backward", handle_pad},
      {"reflection_pad3d", handle_pad},
      {"reflection_pad3d_backward", handle_pad},
      {"replication_pad1d", handle_pad},
      {"replication_pad1d_backward", handle_pad},
      {"replication_pad2d", handle_pad},
      {"replication_pad2d_backward", handle_pad},
      {"replication_pad3d", handle_pad},
      {"replication_pad3d_backward", handle_pad},
      {"nonzero", handle_nonzero},
      {"masked_select", handle_masked_select},
      {"masked_scatter", handle_masked_scatter},
      {"masked_scatter_", handle_masked_scatter},
      {"take", handle_take},
      {"scatter", handle_scatter},
      {"scatter_", handle_scatter},
      {"scatter_add", handle_scatter},
      {"scatter_add_", handle_scatter},
      {"scatter_reduce", handle_scatter},
      {"scatter_reduce_", handle_scatter},
      {"index_add", handle_index_put_dim},
      {"index_add_", handle_index_put_dim},
      {"index_copy", handle_index_put_dim},
      {"index_copy_", handle_index_put_dim},
      {"index_fill", handle_index_put_dim},
      {"index_fill_", handle_index_put_dim},
      {"index_reduce", handle_index_put_dim},
      {"index_reduce_", handle_index_put_dim},
      {"index", handle_index},
      {"_index_put_impl_", handle_index_put},
      {"index_put_", handle_index_put},
      {"index_put", handle_index_put},
  };
  for (const Special& s : specials)
    if (base == s.base) return s.handler;
  switch (op_family(op)) {
    case family::pointwise:
    case family::fused: return handle_pointwise;
    case family::reduce: return handle_reduce;
    case family::scan: return handle_cumsum;
    case family::random: return handle_random;
    case family::matmul: return handle_matmul;
    case family::sort: return op->out == 2 ? handle_nth : handle_median;  // medians: their base names are the same
    default: return nullptr;
  }
}

}  // namespace gems::torch_binding
