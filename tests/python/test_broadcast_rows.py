"""Rows with one number each beside dense ones (x - mean, a mask by channel): rows of any length, and what lies between the rows."""

from __future__ import annotations

import pytest
import torch

LENGTHS = (1, 2, 3, 15, 16, 17, 31, 49, 63, 64, 65, 100, 255, 256, 257, 1000)
CALLS = {
    "add": lambda x, r: x + r,
    "swapped": lambda x, r: r - x if x.dtype != torch.bool else r ^ x,
    "in place": lambda x, r: x.clone().mul_(r),
    "comparison": lambda x, r: x < r,
    "where": lambda x, r: torch.where(r > 0, x, r),
    "converted": lambda x, r: x.float().div(r.float()).to(torch.bfloat16),
    "two dtypes": lambda x, r: x * r.to(torch.int16),
    "out of another dtype": lambda x, r: torch.mul(x, r, out=torch.empty(x.shape, dtype=torch.float64, device=x.device)),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.int64, torch.int8, torch.bool], ids=str)
@pytest.mark.parametrize("name", CALLS)
def test_rows(gems, ran, device, name, dtype):
    if dtype == torch.bool and name == "out of another dtype":
        dtype = torch.uint8
    generator = torch.Generator().manual_seed(1)
    for n in LENGTHS:
        x = torch.randint(0, 7, (5, 41, n), generator=generator).to(device).to(dtype)
        r = torch.randint(0, 7, (5, 41, 1), generator=generator).to(device).to(dtype)
        for a, b in ((x, r), (x[:, ::2], r[:, ::2]), (x, r[:1]), (x, r[:, :1]), (x[..., : (n + 1) // 2], r)):
            want = CALLS[name](a, b)
            with gems.use_gems():
                got, calls = ran(CALLS[name], a, b)
            assert calls > 0 and got.stride() == want.stride()
            assert torch.equal(got.nan_to_num(9), want.nan_to_num(9)), (n, a.shape, b.shape)


def test_nothing_is_written_between_rows(gems, device):
    for n in LENGTHS:
        memory = torch.full((64, n + 3), -1.0, device=device)
        r = torch.arange(64.0, device=device)[:, None]
        with gems.use_gems():
            torch.mul(r.expand(64, n), 2, out=memory[:, :n])
            memory[:, :n].add_(r)
        assert bool((memory[:, :n] == 3 * r).all()) and bool((memory[:, n:] == -1).all()), n
