"""Reductions, norms and losses that torch, or a line here, composes of others, which are ours (see _composites.py)."""

from __future__ import annotations

import torch

aten = torch.ops.aten
NORM = "vector_norm vector_norm_out"
BATCH = "_native_batch_norm_legit batch_norm clone"


def amin_(inp, dim=None, keepdim=False):
    """Every element becomes the least one of its group."""
    dims = [] if dim is None else [dim] if isinstance(dim, int) else list(dim)
    return inp.copy_(aten.amin(inp, dims, True))


def norm(x, p=2, dim=None, keepdim=False):
    return torch.norm(x, p, dim, keepdim)


def layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-5):
    return aten.native_layer_norm(input, normalized_shape, weight, bias, eps)


def instance_norm(
    input,
    weight=None,
    bias=None,
    running_mean=None,
    running_var=None,
    use_input_stats=True,
    momentum=0.1,
    eps=1e-5,
    cudnn_enable=False,
):
    return aten.instance_norm(input, weight, bias, running_mean, running_var, use_input_stats, momentum, eps, cudnn_enable)


def cross_entropy_loss(inp, target, weight=None, reduction="mean", ignore_index=-100, label_smoothing=0.0):
    return torch.nn.functional.cross_entropy(
        inp, target, weight=weight, reduction=reduction, ignore_index=ignore_index, label_smoothing=label_smoothing
    )


def scaled_softmax_forward(input_t, scale_factor):
    return aten._softmax(input_t * scale_factor, -1, False)


def scaled_softmax_backward(grad_output, softmax_results, scale_factor):
    return aten._softmax_backward_data(grad_output, softmax_results, -1, softmax_results.dtype) * scale_factor


def nll_loss_nd_forward(input, target, weight=None, reduction=1, ignore_index=-100):
    if input.dim() in (1, 2):
        return aten.nll_loss_forward(input, target, weight, reduction, ignore_index)
    flat = input if input.dim() == 4 else input.reshape(*input.shape[:2], 1, -1)
    out, total = aten.nll_loss2d_forward(flat, target.reshape(flat.shape[0], *flat.shape[2:]), weight, reduction, ignore_index)
    return (out.reshape(target.shape) if reduction == 0 else out), total


def nll_loss_nd_backward(grad_output, input, target, weight=None, reduction=1, ignore_index=-100, total_weight=None):
    if input.dim() in (1, 2):
        return aten.nll_loss_backward(grad_output, input, target, weight, reduction, ignore_index, total_weight)
    flat = input if input.dim() == 4 else input.reshape(*input.shape[:2], 1, -1)
    shape = (flat.shape[0], *flat.shape[2:])
    grad = grad_output.reshape(shape) if reduction == 0 else grad_output
    return aten.nll_loss2d_backward(grad, flat, target.reshape(shape), weight, reduction, ignore_index, total_weight).reshape(
        input.shape
    )


COMPOSED: dict[str, tuple[object, str]] = {
    "var_correction": ("var.correction", "var"),
    "var_dim": ("var.dim", "var"),
    "norm": (norm, NORM),
    "norm_scalar": ("norm.Scalar", NORM),
    "norm_scalaropt_dim": ("norm.ScalarOpt_dim", NORM),
    "special_logsumexp": ("special_logsumexp", "logsumexp"),
    "dist": ("dist", f"sub {NORM}"),
    "_is_all_true": ("_is_all_true", "all"),
    "allclose": ("allclose", "abs eq add bitwise_and_tensor_ bitwise_or_tensor_ le mul ne sub all"),
    "amin_": (amin_, "amin copy_"),
    "renorm": ("renorm", f"{NORM} mul_out"),
    "renorm_": ("renorm_", f"{NORM} mul_out"),
    "pairwise_distance": ("pairwise_distance", f"add sub {NORM}"),
    "cdist": ("cdist", "cat ones_like pow_tensor_scalar sum_dim mm bmm clamp_min_ mul sqrt_"),
    "_euclidean_dist": ("_euclidean_dist", "cat ones_like pow_tensor_scalar sum_dim mm bmm clamp_min_ mul sqrt_"),
    "layer_norm": (layer_norm, "native_layer_norm"),
    "instance_norm": (instance_norm, f"{BATCH} repeat"),
    "_native_batch_norm_legit_functional": ("_native_batch_norm_legit_functional", BATCH),
    "_native_batch_norm_legit_no_training": ("_native_batch_norm_legit_no_training", BATCH),
    "_batch_norm_with_update_functional": ("_batch_norm_with_update_functional", f"{BATCH} _batch_norm_with_update"),
    "_batch_norm_no_update": ("_batch_norm_no_update", ""),
    "_batch_norm_impl_index": ("_batch_norm_impl_index", BATCH),
    "_batch_norm_impl_index_backward": ("_batch_norm_impl_index_backward", "batch_norm_backward"),
    "_weight_norm": ("_weight_norm", "weight_norm_interface"),
    "weight_norm": ("_weight_norm", "weight_norm_interface"),
    "cross_entropy_loss": (cross_entropy_loss, "log_softmax nll_loss_forward nll_loss2d_forward"),
    "nll_loss_nd_forward": (nll_loss_nd_forward, "nll_loss_forward nll_loss2d_forward"),
    "nll_loss_nd_backward": (nll_loss_nd_backward, "nll_loss_backward nll_loss2d_backward"),
    # torch's kernels
    **{
        name: (name, "")
        for name in "pdist _pdist_forward _pdist_backward _cdist_forward _cdist_backward _segment_reduce_backward".split()
    },
    "scaled_softmax_forward": (scaled_softmax_forward, "softmax mul"),
    "scaled_softmax_backward": (scaled_softmax_backward, "softmax_backward mul"),
    "special_log_softmax": ("special_log_softmax", "log_softmax"),
    "segment_reduce": ("segment_reduce", "eq all min sum_dim"),
    "segment_reduce_out": ("segment_reduce.out", "eq all min sum_dim"),
}
