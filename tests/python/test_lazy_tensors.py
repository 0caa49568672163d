"""Tensors whose values aren't in their memory: negative views, and zeros without memory (forward mode's tangents). Operators that torch
hands them unresolved must not read that memory."""

from __future__ import annotations

import pytest
import torch

F64 = torch.float64


def negative(device, *shape):
    return torch._neg_view(torch.arange(1.0, 1 + torch.Size(shape).numel(), device=device, dtype=F64).view(shape))


def zero(device, *shape):
    return torch._efficientzerotensor(shape, device=device, dtype=F64)


CALLS = {
    "clone": lambda x: x.clone(),
    "contiguous clone": lambda x: x.t().clone(memory_format=torch.contiguous_format),
    "copy_": lambda x: torch.ones(3, 4, dtype=F64, device=x.device).copy_(x),
    "copy_ converts": lambda x: torch.ones(3, 4, device=x.device).copy_(x),
    "copy_ broadcast": lambda x: torch.ones(2, 3, 4, dtype=F64, device=x.device).copy_(x),
    "to": lambda x: x.to(torch.float32),
    "to copy": lambda x: x.to(F64, copy=True),
    "neg": lambda x: x.neg(),
    "add a number": lambda x: x + 1,
    "multiply by a number": lambda x: torch.mul(x, 3),
    "aten::add.Scalar": lambda x: torch.ops.aten.add.Scalar(x, 2),
    "aten::mul.Scalar": lambda x: torch.ops.aten.mul.Scalar(x, 2),
    "add": lambda x: x + torch.ones(3, 4, dtype=F64, device=x.device),
    "cat": lambda x: torch.cat([x, x]),
    "sum": lambda x: x.sum(0),
    "full_like": lambda x: torch.full_like(x, 7),
    "zeros_like": lambda x: torch.zeros_like(x),
    "0-d": lambda x: torch.ones(3, dtype=F64, device=x.device) * x[0, 0],
    "fill by a 0-d": lambda x: torch.ones(3, dtype=F64, device=x.device).fill_(x[0, 0]),
    "mm": lambda x: x @ x.t(),
    "index": lambda x: x[torch.tensor([2, 0], device=x.device)],
}


@pytest.mark.parametrize("make", [negative, zero])
@pytest.mark.parametrize("name", CALLS)
def test_read(gems, device, make, name):
    want = CALLS[name](make(device, 3, 4))
    with gems.use_gems():
        got = CALLS[name](make(device, 3, 4))
    assert got.dtype == want.dtype and got.stride() == want.stride()
    assert torch.equal(got.clone(), want.clone())


@pytest.mark.parametrize("name", ["copy_", "neg_", "add_", "mul_", "fill_", "zero_", "sigmoid_", "index_fill_"])
def test_written(gems, device, name):
    """In place through a negative view: what is below holds the negated values."""

    def run():
        below = torch.arange(12.0, device=device, dtype=F64).view(3, 4)
        x = torch._neg_view(below)
        if name == "index_fill_":
            x.index_fill_(0, torch.tensor([1], device=device), 5)
        else:
            getattr(x, name)(*{"copy_": [torch.ones(3, 4, device=device)], "add_": [2], "mul_": [3], "fill_": [4]}.get(name, []))
        return below, x.resolve_neg()

    want = run()
    with gems.use_gems():
        got = run()
    torch.testing.assert_close(got, want)
