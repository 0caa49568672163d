"""RMS norm with an optional residual."""

from __future__ import annotations

import torch

from .. import fused, ops


def gems_rms_forward(x, residual, weight, eps):
    """rms_norm(x) * weight; with a residual, in place: residual += x, x = rms_norm(residual) * weight, returns both."""
    shape = weight.shape
    if residual is None:
        if "rms_norm" in dir(ops):
            return ops.rms_norm(x, list(shape), weight, eps)
        return torch.nn.functional.rms_norm(x, shape, weight, eps)
    return fused.fused_add_rms_norm(x, residual, list(shape), weight, eps)


class GemsRMSNorm(torch.nn.Module):
    def __init__(self, normalized_shape, eps=1e-6, elementwise_affine=True, device=None, dtype=None):
        super().__init__()
        self.normalized_shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        ones = torch.ones(self.normalized_shape, device=device, dtype=dtype)
        if elementwise_affine:
            self.weight = torch.nn.Parameter(ones)
        else:
            self.register_buffer("weight", ones, persistent=False)

    def forward(self, x, residual=None):
        return gems_rms_forward(x, residual, self.weight, self.eps)

    def extra_repr(self):
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
