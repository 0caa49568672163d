"""Division and powers of integers: against Python's own, where torch's kernels can't be asked, and what torch raises."""

from __future__ import annotations

import itertools

import pytest
import torch
from samples import INTS

MODES = {
    "floor_divide": (torch.floor_divide, lambda x, y: x // y),
    "div floor": (lambda x, y: torch.div(x, y, rounding_mode="floor"), lambda x, y: x // y),
    "div trunc": (lambda x, y: torch.div(x, y, rounding_mode="trunc"), lambda x, y: abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1)),
    "remainder": (torch.remainder, lambda x, y: x % y),
    "fmod": (torch.fmod, lambda x, y: abs(x) % abs(y) * (-1 if x < 0 else 1)),
}  # fmt: skip


def power(x, y):
    if y < 0:
        return {1: 1, -1: -1 if y % 2 else 1}.get(x, 0)
    return x**y


def wrap(value: int, dtype) -> int:
    info = torch.iinfo(dtype)
    return (value - info.min) % (info.max - info.min + 1) + info.min


def interesting(dtype):
    """Ends of the range, powers of two and their neighbours: where a division in floating point would round."""
    info = torch.iinfo(dtype)
    powers = [s * 2**b + d for b in range(info.bits) for s in (1, -1) for d in (-1, 0, 1)]
    return sorted({v for v in (*powers, 0, 3, -3, 7, 10, 100, info.max // 3, info.min) if info.min <= v <= info.max})


def ours(gems, f, *args):
    before = gems._debug_call_count()
    with gems.use_gems():
        result = f(*args)
    assert gems._debug_call_count() > before, "ran natively"
    return result


@pytest.mark.parametrize("dtype", INTS, ids=lambda d: str(d)[6:])
@pytest.mark.parametrize("name", MODES)
def test_division(name, dtype, gems, device):
    """All pairs, the smallest number by -1 too, which stops torch's CPU process in div(rounding_mode="trunc")."""
    f, python = MODES[name]
    values = interesting(dtype)
    pairs = list(itertools.product(values, [v for v in values if v]))
    x, y = (torch.tensor(v).to(dtype).to(device) for v in zip(*pairs))
    want = torch.tensor([wrap(python(a, b), dtype) for a, b in pairs]).to(dtype)
    got = ours(gems, f, x, y)
    assert got.dtype == dtype
    assert torch.equal(got.cpu(), want)
    strided = ours(gems, f, x.repeat_interleave(2)[::2], y.repeat_interleave(3)[::3])
    assert torch.equal(strided.cpu(), want)


@pytest.mark.parametrize("dtype", INTS, ids=lambda d: str(d)[6:])
def test_powers(dtype, gems, device):
    info = torch.iinfo(dtype)
    exponents = [e for e in (info.min, info.min + 1, -3, -2, -1, *range(9), 31, 62, 63, 64, 65, 100, info.max - 1, info.max)
                 if info.min <= e <= info.max]  # fmt: skip
    bases = [info.min, info.max, *(b for b in range(-7, 8) if b >= info.min), info.max // 3]
    modulus = 2**info.bits
    want = [[wrap(power(b, e) if e < 0 else pow(b, e, modulus), dtype) for e in exponents] for b in bases]
    x, y = torch.tensor(bases).to(dtype).to(device), torch.tensor(exponents).to(dtype).to(device)
    got = ours(gems, torch.pow, x[:, None], y)
    assert got.dtype == dtype
    assert got.tolist() == want
    for e, column in zip(exponents, zip(*want)):
        if e >= 0:
            assert ours(gems, torch.pow, x, e).tolist() == list(column), e
    for b, row in zip(bases, want):
        assert ours(gems, torch.pow, b, y).tolist() == row, b


def raised(f, *args):
    with pytest.raises(RuntimeError) as e:
        f(*args)
    return str(e.value)


@pytest.mark.parametrize("dtype", INTS, ids=lambda d: str(d)[6:])
@pytest.mark.parametrize("name", MODES)
@pytest.mark.parametrize("n", [5, 700, 100_000])
def test_zero_divisors_raise_on_cpus(name, dtype, n, gems):
    f, _ = MODES[name]
    for at in (0, n // 2, n - 1):
        x, y = torch.full((n,), 7, dtype=dtype), torch.full((n,), 2, dtype=dtype)
        y[at] = 0
        want = raised(f, x, y)
        assert want == "ZeroDivisionError"
        with gems.use_gems():
            assert raised(f, x, y) == want
            assert raised(f, x[::2], torch.zeros(1, dtype=dtype)) == want
            assert raised(f, x, 0) == want
            assert raised(f, x, torch.tensor(0)) == want
    with gems.use_gems():
        assert f(torch.empty(0, dtype=dtype), 0).numel() == 0


def test_zero_divisor_of_an_operand_in_place(gems):
    """What was computed before the zero was met may be written, as natively; the divisor is never half-overwritten by two kernels."""
    x, y = torch.arange(2000) + 5, torch.full((2000,), 3)
    y[1500] = 0
    before = x.clone()
    with gems.use_gems():
        assert raised(x.remainder_, y) == "ZeroDivisionError"
    assert bool(((x == before) | (x == before.remainder(y.clamp(min=1)))).all())
    assert torch.equal(x[1500:], before[1500:])


def test_negative_exponents(gems, device):
    x = torch.tensor([1, 2, -1], device=device)
    text = "Integers to negative integer powers are not allowed."
    with gems.use_gems():
        assert raised(torch.pow, x, -1) == raised(x.pow_, -2) == text
        assert "overflow" in raised(torch.pow, x.to(torch.int8), 300)
        assert "overflow" in raised(torch.pow, x.to(torch.uint8), 256)
    assert x.tolist() == [1, 2, -1]
    assert ours(gems, torch.pow, x, torch.tensor(-1)).tolist() == [1, 0, -1]


def test_exponents_take_part_in_promotion(gems, device):
    for base, exponent, dtype in (
        (torch.bool, 2, torch.int64), (torch.bool, True, torch.bool), (torch.bool, 0.5, torch.float32), (torch.int8, True, torch.int8),
        (torch.int8, 3, torch.int8), (torch.int32, 0.5, torch.float32), (torch.float16, 2, torch.float16), (torch.bfloat16, 0.3, torch.bfloat16),
    ):  # fmt: skip
        x = torch.tensor([0, 1, 1], device=device).to(base)
        got = ours(gems, torch.pow, x, exponent)
        assert got.dtype == dtype
        assert got.tolist() == torch.pow(x, exponent).tolist()
    x = torch.tensor([3, 5], dtype=torch.int16, device=device)
    with gems.use_gems():
        assert x.pow_(2).tolist() == [9, 25]
        assert "can't be cast" in raised(x.pow_, 0.5)
