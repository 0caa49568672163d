"""Fused operators for language models, under the Python signatures of FlagGems.

``silu_and_mul`` and ``fused_add_rms_norm`` are custom operators of torch (``torch.ops.flag_gems``); the others are compositions
of ATen operators, which run on our kernels where those are enabled.
"""

from __future__ import annotations

import math

import torch

_ops = torch.ops.flag_gems


def silu_and_mul(A, B):
    """silu(A) * B."""
    return _ops.silu_and_mul(A, B)


def silu_and_mul_out(A, B, out):
    """silu(A) * B, written to ``out``."""
    return out.copy_(_ops.silu_and_mul(A, B))


def silu_and_mul_with_clamp(x, y, limit):
    """silu(min(x, limit)) * clamp(y, -limit, limit)."""
    return _ops.silu_and_mul(x.clamp(max=limit), y.clamp(-limit, limit))


def gelu_and_mul(x, y, approximate="none"):
    """gelu(x) * y."""
    return torch.nn.functional.gelu(x, approximate=approximate) * y


def _rows(t, normalized_shape):
    """(``t`` with the normalised dimensions as one, whether that is a copy: strides may leave no other way)."""
    shape = tuple(normalized_shape)
    lead = t.dim() - len(shape)
    if lead < 0 or tuple(t.shape[lead:]) != shape:
        raise RuntimeError(f"flag_gems: normalized_shape {list(shape)} doesn't end the input's shape {list(t.shape)}")
    if len(shape) == 1:
        return t, False
    flat = (*t.shape[:lead], math.prod(shape))
    try:
        return t.view(flat), False
    except RuntimeError:
        return t.reshape(flat), True


def fused_add_rms_norm(x, residual, normalized_shape, weight, eps=1e-5):
    """In place: residual += x, then x = rms_norm(residual) * weight. Returns (x, residual)."""
    (x2, x_copied), (r2, r_copied) = _rows(x, normalized_shape), _rows(residual, normalized_shape)
    _ops.fused_add_rms_norm(x2, r2, weight.reshape(-1), eps)
    if x_copied:
        x.copy_(x2.view(x.shape))
    if r_copied:
        residual.copy_(r2.view(residual.shape))
    return x, residual


def add_rms_norm(x1, x2, normalized_shape, weight, eps=1e-5):
    """rms_norm(x1 + x2) * weight."""
    return torch.nn.functional.rms_norm(x1 + x2, tuple(normalized_shape), weight, eps)


def skip_layer_norm(x, residual, normalized_shape, weight, bias, eps=1e-5):
    """layer_norm(x + residual)."""
    return torch.nn.functional.layer_norm(x + residual, tuple(normalized_shape), weight, bias, eps)


def apply_rotary_pos_emb(q, k, cos, sin, position_ids=None, rotary_interleaved=False, inplace=False):
    """Rotary position embedding of queries and keys: (batch, seq, heads, dim), or (tokens, heads, dim) with ``position_ids``.

    ``cos`` and ``sin`` are (positions, dim / 2). ``rotary_interleaved``: pairs are neighbours, else the halves of a head.
    """
    if position_ids is None:
        if q.dim() != 4:
            raise ValueError("apply_rotary_pos_emb: without position_ids q must be (batch, seq, heads, dim)")
        c, s = cos[: q.shape[-3]], sin[: q.shape[-3]]
    else:
        c, s = cos[position_ids], sin[position_ids]
    c, s = c.unsqueeze(-2), s.unsqueeze(-2)
    made = tuple(_rotate(t, c, s, rotary_interleaved) for t in (q, k))
    return (q.copy_(made[0]), k.copy_(made[1])) if inplace else made


def _rotate(t, cos, sin, interleaved):
    f = t.to(cos.dtype)
    a, b = (f[..., 0::2], f[..., 1::2]) if interleaved else f.chunk(2, dim=-1)
    a, b = a * cos - b * sin, b * cos + a * sin
    made = torch.stack((a, b), dim=-1).flatten(-2) if interleaved else torch.cat((a, b), dim=-1)
    return made.to(t.dtype)


__all__ = [
    "add_rms_norm",
    "apply_rotary_pos_emb",
    "fused_add_rms_norm",
    "gelu_and_mul",
    "silu_and_mul",
    "silu_and_mul_out",
    "silu_and_mul_with_clamp",
    "skip_layer_norm",
]
