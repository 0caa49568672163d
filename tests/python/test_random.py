"""Random numbers: the native stream bit for bit (or to rounding), generators that move as torch's do, distributions."""

from __future__ import annotations

import pytest
import torch

FLOATS = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
INTS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool)
# name, how, dtypes, relative tolerance by size of the dtype in bytes (None: equal)
ROUNDED = {2: 1e-2, 4: 2e-6, 8: 1e-12}
IN_PLACE = [
    ("uniform_", lambda x, g: x.uniform_(-2.5, 3, generator=g), FLOATS, None),
    ("uniform_ of one value", lambda x, g: x.uniform_(1, 1, generator=g), FLOATS, None),
    ("normal_", lambda x, g: x.normal_(0.5, 3, generator=g), FLOATS, ROUNDED),
    ("bernoulli_", lambda x, g: x.bernoulli_(0.3, generator=g), FLOATS + INTS, None),
    ("exponential_", lambda x, g: x.exponential_(1.5, generator=g), FLOATS, ROUNDED),
    ("cauchy_", lambda x, g: x.cauchy_(1, 2, generator=g), FLOATS, ROUNDED),
    ("geometric_", lambda x, g: x.geometric_(0.3, generator=g), FLOATS + INTS[:2], None),
    ("log_normal_", lambda x, g: x.log_normal_(0.5, 0.7, generator=g), FLOATS, ROUNDED),
    ("random_", lambda x, g: x.random_(generator=g), FLOATS + INTS, None),
    ("random_.to", lambda x, g: x.random_(2, generator=g), FLOATS + INTS, None),
    ("random_.from", lambda x, g: x.random_(-5, 100, generator=g), FLOATS + INTS[:4], None),
    ("random_.from wide", lambda x, g: x.random_(-(2**40), 2**61, generator=g), (torch.int64,), None),
    ("random_.from open", lambda x, g: x.random_(-3, None, generator=g), INTS[:4], None),
]
FACTORIES = [
    ("rand", lambda n, **k: torch.rand(n, **k), FLOATS, None),
    ("randn", lambda n, **k: torch.randn(n, **k), FLOATS, ROUNDED),
    ("randint", lambda n, **k: torch.randint(7, (n,), **k), (torch.int64, torch.int32, torch.float32), None),
    ("randint.low", lambda n, **k: torch.randint(-5, 2**35, (n,), **k), (torch.int64,), None),
    ("rand_like", lambda n, generator, **k: torch.rand_like(torch.empty(n, **k)), FLOATS, None),
]
SIZES = (1, 3, 15, 16, 17, 100, 623, 625, 5000, 300_000, 2_000_001)


def same(a, b, tolerance) -> bool:
    if tolerance is None:
        return bool(torch.equal(a, b))
    t = tolerance[a.element_size()]
    return bool(torch.allclose(a.double(), b.double(), rtol=t, atol=t, equal_nan=True))


def compare(gems, device, tolerance, run, served=True) -> None:
    """run(generator) twice on either side from one state, and what native draws afterwards."""
    results = []
    for ours in (False, True):
        generator = torch.Generator(device).manual_seed(1234)
        torch.empty(7, device=device).uniform_(generator=generator)
        before = gems._debug_call_count()
        if ours:
            gems.enable()
        got = [run(generator), run(generator)]
        gems.disable()
        if ours and served:
            assert gems._debug_call_count() - before >= 2, "ran natively"
        after = torch.empty(40, device=device, dtype=torch.float64).normal_(generator=generator), torch.rand(5, device=device, generator=generator)  # fmt: skip
        results.append((got, after))
    (native, native_after), (own, own_after) = results
    assert all(same(a, b, tolerance) for a, b in zip(native, own))
    assert all(torch.equal(a, b) for a, b in zip(native_after, own_after)), "the generator stands elsewhere"


@pytest.mark.parametrize("name, call, dtypes, tolerance", IN_PLACE, ids=[c[0] for c in IN_PLACE])
@pytest.mark.parametrize("n", SIZES)
def test_native_stream(gems, device, name, call, dtypes, tolerance, n):
    for dtype in dtypes if n < 10_000 else dtypes[:2]:
        compare(gems, device, tolerance, lambda g, dtype=dtype: call(torch.empty(n, dtype=dtype, device=device), g))


@pytest.mark.parametrize("name, call, dtypes, tolerance", FACTORIES, ids=[c[0] for c in FACTORIES])
def test_factories(gems, device, name, call, dtypes, tolerance):
    if name == "rand_like":  # no generator there
        for dtype in dtypes:
            torch.manual_seed(3)
            native = call(1000, generator=None, dtype=dtype, device=device)
            torch.manual_seed(3)
            with gems.use_gems():
                assert torch.equal(native, call(1000, generator=None, dtype=dtype, device=device))
        return
    for dtype in dtypes:
        for n in (0, 5, 1000, 100_000):
            compare(
                gems,
                device,
                tolerance,
                lambda g, n=n, dtype=dtype: call(n, generator=g, dtype=dtype, device=device),
                served=n > 0,
            )


def test_default_generator(gems, device):
    torch.manual_seed(11)
    native = torch.rand(1000, device=device), torch.randn(1000, device=device)
    torch.manual_seed(11)
    gems.enable()
    own = torch.rand(1000, device=device), torch.randn(1000, device=device)
    assert torch.equal(native[0], own[0]) and torch.allclose(native[1], own[1], rtol=2e-6, atol=2e-6)
    assert not torch.equal(torch.rand(1000, device=device), own[0])


@pytest.mark.parametrize("layout", ["transposed", "gaps", "channels_last"])
def test_layouts(gems, device, layout):
    def make():
        if layout == "transposed":
            return torch.zeros(37, 53, device=device).t()
        if layout == "gaps":
            return torch.zeros(37, 53, device=device)[:, ::2]
        return torch.zeros(2, 5, 7, 9, device=device).to(memory_format=torch.channels_last)

    compare(gems, device, None, lambda g: make().uniform_(generator=g), served=layout != "gaps")
    compare(gems, device, ROUNDED, lambda g: make().normal_(generator=g), served=layout != "gaps")


def test_errors_are_torchs(gems, device):
    gems.enable()
    x = torch.empty(8, device=device)
    for call in (
        lambda: x.uniform_(2, 1),
        lambda: x.normal_(0, -1),
        lambda: x.bernoulli_(1.5),
        lambda: x.exponential_(-1),
        lambda: x.geometric_(0),
        lambda: x.log_normal_(0, 0),
        lambda: x.random_(5, 5),
        lambda: x.to(torch.int8).random_(0, 1000),
        lambda: torch.empty(8, dtype=torch.int32, device=device).uniform_(),
        lambda: torch.randint(5, 3, (4,), device=device),
    ):
        with pytest.raises(RuntimeError):
            call()


@pytest.mark.parametrize("name", ["uniform", "normal", "exponential", "cauchy"])
@pytest.mark.parametrize("philox", [False, True])
def test_kolmogorov_smirnov(gems, device, name, philox, subprocess_env):
    """The distance between the sample's distribution and the true one stays below what one sample in a million exceeds."""
    if philox:
        if device != "cpu":
            pytest.skip("GEMS_CPU_RNG is about the CPU")
        import subprocess
        import sys

        program = f"import torch, flag_gems; flag_gems.enable(); torch.manual_seed(5); x = torch.empty(200_000); print(*x.{name}_().tolist()); print(*x.{name}_().tolist())"  # fmt: skip
        done = subprocess.run([sys.executable, "-c", program], env={**subprocess_env, "GEMS_CPU_RNG": "philox"}, capture_output=True, text=True)  # fmt: skip
        assert done.returncode == 0, done.stderr
        first, second = (torch.tensor([float(v) for v in line.split()]) for line in done.stdout.splitlines())
        assert not torch.equal(first, second)
        x = first
    else:
        gems.enable()
        x = getattr(torch.empty(200_000, device=device), name + "_")().cpu()
    x = x.double().sort().values
    true = {
        "uniform": x,
        "normal": torch.special.ndtr(x),
        "exponential": 1 - torch.exp(-x),
        "cauchy": 0.5 + torch.atan(x) / torch.pi,
    }[name]
    steps = torch.arange(len(x) + 1, dtype=torch.float64) / len(x)
    distance = torch.maximum((true - steps[:-1]).abs(), (true - steps[1:]).abs()).max().item()
    assert distance < 2.7 / len(x) ** 0.5


def test_dropout_of_a_seed(gems, device):
    x = torch.ones(10_000, device=device)
    torch.manual_seed(2)
    native = torch.nn.functional.dropout(x, 0.3)
    torch.manual_seed(2)
    with gems.use_gems():
        assert torch.equal(native, torch.nn.functional.dropout(x, 0.3))


def test_captured_graphs_draw_fresh_numbers(gems, device):
    if device == "cpu":
        pytest.skip("graphs are CUDA's")
    gems.enable()
    x = torch.empty(1000, device=device)
    x.uniform_()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        x.uniform_()
    graph.replay()
    first = x.clone()
    graph.replay()
    assert not torch.equal(first, x)
