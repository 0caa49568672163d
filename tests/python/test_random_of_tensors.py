"""Random numbers like a tensor, or with parameters from one: the native stream, as in test_random.py."""

from __future__ import annotations

import pytest
import torch
from test_random import FLOATS, INTS, ROUNDED, compare

LIKE = [
    ("rand_like", lambda x, g: torch.rand_like(x, generator=g), FLOATS, None),
    ("rand_like of another dtype", lambda x, g: torch.rand_like(x, generator=g, dtype=torch.float32), (*FLOATS, *INTS), None),
    ("randn_like", lambda x, g: torch.randn_like(x, generator=g), FLOATS, ROUNDED),
    ("randint_like", lambda x, g: torch.randint_like(x, 100, generator=g), FLOATS + INTS[:5], None),
    ("randint_like with low", lambda x, g: torch.randint_like(x, -7, 100, generator=g), FLOATS + INTS[:4], None),
]
LAYOUTS = {
    "dense": lambda x: x,
    "transposed": lambda x: x.transpose(0, 1),
    "gaps": lambda x: x[:, ::2],
    "channels_last": lambda x: x.view(2, 3, 5, -1)[..., :8].to(memory_format=torch.channels_last),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name, call, dtypes, tolerance", LIKE, ids=[c[0] for c in LIKE])
def test_like(gems, device, name, call, dtypes, tolerance, layout):
    for dtype in dtypes:
        x = LAYOUTS[layout](torch.zeros(30, 1000, device=device).to(dtype))
        compare(gems, device, tolerance, lambda g, x=x: call(x, g))
        g = torch.Generator(device)
        want = call(x, g).stride()
        with gems.use_gems():
            assert call(x, g).stride() == want


@pytest.mark.parametrize("n", [1, 15, 16, 17, 1000, 300_000])
def test_bernoulli_of_probabilities(gems, device, n):
    if device == "cuda":
        pytest.skip("native there: its kernel has a stream of its own")
    for dtype in FLOATS:
        p = torch.rand(n, generator=torch.Generator().manual_seed(1)).to(dtype)
        p[::5], p[1::7] = 0, 1
        compare(gems, device, None, lambda g, p=p: torch.bernoulli(p, generator=g))
        for to in {dtype, torch.int64, torch.bool} if dtype != torch.float64 else {dtype}:
            compare(gems, device, None, lambda g, p=p, to=to: torch.ones(n, dtype=to).bernoulli_(p, generator=g))


@pytest.mark.parametrize("p", [1.5, -0.1, float("nan")])
def test_what_is_no_probability(gems, device, p):
    x = torch.full((100,), 0.5, device=device)
    x[77] = p
    if device == "cuda":
        pytest.skip("an assertion on the device")
    with gems.use_gems(), pytest.raises(RuntimeError):
        torch.bernoulli(x)


@pytest.mark.parametrize("n", [1, 15, 16, 1000, 300_000])
def test_normal_of_tensors(gems, device, n):
    for dtype in FLOATS:
        mean, std = torch.linspace(-3, 3, n, device=device).to(dtype), torch.linspace(0, 2, n, device=device).to(dtype)
        compare(gems, device, ROUNDED, lambda g, mean=mean: torch.normal(mean, 2.0, generator=g))
        served = device == "cpu"
        compare(gems, device, ROUNDED, lambda g, std=std: torch.normal(0.5, std, generator=g), served)
        compare(gems, device, ROUNDED, lambda g, mean=mean, std=std: torch.normal(mean, std, generator=g), served)


def test_no_deviation(gems, device):
    x = torch.ones(100, device=device)
    with gems.use_gems():
        for std in (-1.0, -x, x * float("nan")):
            with pytest.raises(RuntimeError):
                torch.normal(x, std)
        assert torch.normal(x, torch.ones(100, 1, device=device)).shape == (100, 100)  # broadcast: native
