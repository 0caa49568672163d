"""out= arguments that aren't plain: an operand at the same time."""

from __future__ import annotations

import pytest
import torch

BINARY = ["add", "mul", "logical_or", "logical_xor", "eq", "maximum", "remainder"]


@pytest.mark.parametrize("name", BINARY)
def test_an_operand_is_not_resized(gems, device, name):
    """Empty, so that an out= would be resized; torch does it only where the output isn't read."""
    x, y = torch.ones(0, 1, 3, device=device), torch.ones(0, 10, 3, device=device)
    with gems.use_gems(), pytest.raises(RuntimeError, match="doesn't match the broadcast shape"):
        getattr(torch, name)(x, y, out=x)
    assert x.shape == (0, 1, 3)


@pytest.mark.parametrize("name", BINARY)
def test_an_operand_is_written(gems, device, name):
    x, y = torch.tensor([0.0, 1.0, 2.0], device=device), torch.tensor([3.0, 0.5, 0.0], device=device)
    other = x.clone()
    want = getattr(torch, name)(other, y, out=other)
    with gems.use_gems():
        got = getattr(torch, name)(x, y, out=x)
    assert got is x and torch.equal(got.nan_to_num(7), want.nan_to_num(7))
