// How each family's arguments become a gems_call. One handler per signature shape; the table picks by family and operator.
#pragma once
#include "bindings/torch/row.h"

namespace gems::torch_binding {

bool handle_pointwise(Row&, torch::jit::Stack&);
bool handle_pointwise_pair(Row&, torch::jit::Stack&);  // losses.cpp: two results, by the operators NAME and NAME_second
bool handle_glu(Row&, torch::jit::Stack&);
bool handle_sign(Row&, torch::jit::Stack&);  // signbit, isposinf, isneginf
bool handle_softshrink(Row&, torch::jit::Stack&);
bool handle_loss(Row&, torch::jit::Stack&);  // mse_loss, smooth_l1_loss, ...
bool handle_log_sigmoid_backward(Row&, torch::jit::Stack&);
bool handle_loss_backward(Row&, torch::jit::Stack&);
bool handle_reduce(Row&, torch::jit::Stack&);
bool handle_vector_norm(Row&, torch::jit::Stack&);
bool handle_trace(Row&, torch::jit::Stack&);
bool handle_equal(Row&, torch::jit::Stack&);
bool handle_nll_loss(Row&, torch::jit::Stack&);  // nll_loss.cpp
bool handle_nll_loss_backward(Row&, torch::jit::Stack&);
bool handle_batch_norm(Row&, torch::jit::Stack&);  // norms.cpp
bool handle_batch_norm_backward(Row&, torch::jit::Stack&);
bool handle_group_norm(Row&, torch::jit::Stack&);
bool handle_group_norm_backward(Row&, torch::jit::Stack&);
bool handle_weight_norm(Row&, torch::jit::Stack&);
bool handle_softmax(Row&, torch::jit::Stack&);  // _softmax, _log_softmax
bool handle_safe_softmax(Row&, torch::jit::Stack&);
bool handle_softmax_backward(Row&, torch::jit::Stack&);  // _softmax_backward_data, _log_softmax_backward_data
bool handle_layer_norm(Row&, torch::jit::Stack&);
bool handle_layer_norm_backward(Row&, torch::jit::Stack&);
bool handle_rms_norm(Row&, torch::jit::Stack&);  // rms_norm, _fused_rms_norm
bool handle_rms_norm_backward(Row&, torch::jit::Stack&);
bool handle_fused_add_rms_norm(Row&, torch::jit::Stack&);
bool handle_cumsum(Row&, torch::jit::Stack&);
bool handle_gather(Row&, torch::jit::Stack&);
bool handle_index_select(Row&, torch::jit::Stack&);
bool handle_embedding(Row&, torch::jit::Stack&);
bool handle_embedding_backward(Row&, torch::jit::Stack&);
bool handle_take(Row&, torch::jit::Stack&);
bool handle_scatter(Row&, torch::jit::Stack&);        // scatter, scatter_add, scatter_reduce
bool handle_index_put_dim(Row&, torch::jit::Stack&);  // index_add, index_copy, index_fill, index_reduce
bool handle_index(Row&, torch::jit::Stack&);          // advanced.cpp
bool handle_index_put(Row&, torch::jit::Stack&);
bool handle_nonzero(Row&, torch::jit::Stack&);  // compact.cpp
bool handle_masked_select(Row&, torch::jit::Stack&);
bool handle_masked_scatter(Row&, torch::jit::Stack&);
bool handle_flip(Row&, torch::jit::Stack&);  // maps.cpp
bool handle_roll(Row&, torch::jit::Stack&);
bool handle_pad(Row&, torch::jit::Stack&);  // reflection_pad1d to replication_pad3d_backward
bool handle_unfold_backward(Row&, torch::jit::Stack&);
bool handle_repeat_interleave(Row&, torch::jit::Stack&);  // compact.cpp
bool handle_full_like(Row&, torch::jit::Stack&);          // full_like, zeros_like, ones_like, new_full, new_zeros, new_ones
bool handle_repeat(Row&, torch::jit::Stack&);             // blocks.cpp
bool handle_constant_pad(Row&, torch::jit::Stack&);
bool handle_eye(Row&, torch::jit::Stack&);
bool handle_linspace(Row&, torch::jit::Stack&);
bool handle_tri(Row&, torch::jit::Stack&);
bool handle_arange(Row&, torch::jit::Stack&);
bool handle_rand(Row&, torch::jit::Stack&);    // rand, randn, randint
bool handle_random(Row&, torch::jit::Stack&);  // uniform_, normal_, ...
bool handle_rand_like(Row&, torch::jit::Stack&);
bool handle_bernoulli_of(Row&, torch::jit::Stack&);  // a tensor of probabilities
bool handle_normal_of(Row&, torch::jit::Stack&);     // tensors of means and deviations
bool handle_copy_(Row&, torch::jit::Stack&);
bool handle_to_copy(Row&, torch::jit::Stack&);
bool handle_clone(Row&, torch::jit::Stack&);
bool handle_fill_(Row&, torch::jit::Stack&);
bool handle_full(Row&, torch::jit::Stack&);    // full, zeros, ones and their out= forms
bool handle_cat(Row&, torch::jit::Stack&);     // cat, stack
bool handle_matmul(Row&, torch::jit::Stack&);  // mm, addmm, bmm, baddbmm, mv
bool handle_linear(Row&, torch::jit::Stack&);
bool handle_sort(Row&, torch::jit::Stack&);
bool handle_topk(Row&, torch::jit::Stack&);
bool handle_nth(Row&, torch::jit::Stack&);
bool handle_mode(Row&, torch::jit::Stack&);
bool handle_cummax(Row&, torch::jit::Stack&);
bool handle_median(Row&, torch::jit::Stack&);
bool handle_unique(Row&, torch::jit::Stack&);
bool handle_isin(Row&, torch::jit::Stack&);
bool handle_searchsorted(Row&, torch::jit::Stack&);
bool handle_bincount(Row&, torch::jit::Stack&);
bool handle_histc(Row&, torch::jit::Stack&);

// The sum or mean of all elements; `given`: an out= tensor or null. false: not possible.
bool reduce_all(bool mean, const at::Tensor& x, const at::Tensor* given, at::Tensor& out);

// The handler of an operator; nullptr if the binding doesn't know one.
Handler handler_for(const gems_op_info* op, const std::string& base);

// dst = src with conversion, any served dtypes and layouts on one device, by our copy kernel. false: not possible.
bool copy_into(const at::Tensor& dst, const at::Tensor& src);
// dst = value everywhere.
bool fill_with(const at::Tensor& dst, const gems_tensor& value);
// The same for parts of tensors: sizes, strides and numel of the part, GEMS_T_CONTIGUOUS only where it is.
bool copy_view(const gems_tensor& dst, const gems_tensor& src);
bool fill_view(const gems_tensor& dst, const gems_tensor& value);
// The layout of a copy of x by a memory_format argument; false: one that is the native kernel's.
bool layout_for(const at::Tensor& x, const c10::IValue& format, OutMeta& m);

}  // namespace gems::torch_binding
