"""The Python half of our own operators ``torch.ops.flag_gems.*``: shapes for tracing, and gradients.

Schemas and kernels are defined in C++, once per process. The gradients are formulas over ATen operators, so they too run on
our kernels, and can be differentiated again.
"""

from __future__ import annotations

import torch

from ._native import native


@torch.library.register_fake("flag_gems::silu_and_mul")
def _(x, y):
    dtype = torch.result_type(x, y)
    shape = torch.broadcast_shapes(x.shape, y.shape)
    return torch.empty(shape, dtype=dtype, device=x.device)


@torch.library.register_fake("flag_gems::fused_add_rms_norm")
def _(input, residual, weight, epsilon):
    torch._check(input.shape == residual.shape, lambda: "fused_add_rms_norm: input and residual differ in shape")
    return None


def _save(ctx, inputs, output):
    ctx.save_for_backward(*inputs)


def _silu_and_mul_backward(ctx, grad):
    x, y = ctx.saved_tensors
    gx = gy = None
    if ctx.needs_input_grad[0]:
        gx = _reduce(_silu_backward(grad * y, x.to(grad.dtype)), x)
    if ctx.needs_input_grad[1]:
        gy = _reduce(grad * torch.nn.functional.silu(x), y)
    return gx, gy


def _silu_backward(grad, x):
    if not torch.is_grad_enabled():
        return torch.ops.aten.silu_backward(grad, x)
    s = torch.sigmoid(x)  # aten.silu_backward has no derivative of its own
    return grad * s * (1 + x * (1 - s))


def _reduce(grad, like):
    """The gradient of an operand that was broadcast or converted."""
    return grad.sum_to_size(like.shape).to(like.dtype)


torch.library.register_autograd("flag_gems::silu_and_mul", _silu_and_mul_backward, setup_context=_save)


def _fused_add_rms_norm(input, residual, weight, epsilon):
    """With gradients an operator that writes its arguments is the composition, whose in-place operators autograd knows."""
    residual.add_(input)
    input.copy_(torch.nn.functional.rms_norm(residual, weight.shape, weight, epsilon))


_autograd = torch.library.Library("flag_gems", "IMPL")
_autograd.impl("fused_add_rms_norm", _fused_add_rms_norm, "Autograd")
native().custom_autograd()
