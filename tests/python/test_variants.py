"""Every variant of our kernels gives the native kernel's numbers: one or more calls of each family. With --device cuda on a GPU."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from flag_gems import _native, jit

HALF = torch.bfloat16


def _calls(device: str) -> dict:
    """name -> (call, arguments). Sizes that fill a GPU; a quarter of the rows on a CPU."""
    rows = 2048 if device == "cuda" else 512
    g = torch.Generator(device).manual_seed(1)

    def x(*shape, dtype=HALF):
        return torch.rand(shape, device=device, dtype=torch.float32, generator=g).sub_(0.5).to(dtype)

    wide, narrow, f32 = x(rows, 4096), x(16 * rows, 256), x(rows, 1024, dtype=torch.float32)
    ids = torch.randint(0, 1000, (rows,), device=device, generator=g)
    weights, square = x(1000, 1024), x(1024, 1024)
    gradient, few_ids = x(512, 1024), ids[:512]
    w = x(4096)
    return {
        "add": (torch.add, (wide, wide)),
        "add of float32": (torch.add, (f32, f32)),
        "add of a row": (torch.add, (wide, w)),
        "gelu": (F.gelu, (wide,)),
        "copy": (torch.clone, (wide,)),
        "copy of a transposed matrix": (lambda a: torch.empty_like(a).copy_(a.t()), (square,)),
        "add of a transposed matrix": (lambda a: a + a.t(), (square,)),
        "embedding": (F.embedding, (ids, weights)),
        "gather": (lambda a, i: torch.gather(a, 1, i), (f32, torch.randint(0, 1024, (rows, 512), device=device, generator=g))),
        "gradient of embedding": (torch.ops.aten.embedding_dense_backward, (gradient, few_ids, 1000, -1, False)),
        "softmax": (lambda a: torch.softmax(a, -1), (wide,)),
        "softmax of short rows": (lambda a: torch.softmax(a, -1), (narrow,)),
        "softmax across": (lambda a: torch.softmax(a, 0), (f32,)),
        "layer_norm": (lambda a, b: F.layer_norm(a, (4096,), b, b), (wide, w)),
        "sum of rows": (lambda a: a.sum(-1), (wide,)),
        "sum of short rows": (lambda a: a.sum(-1), (narrow,)),
        "sum of all": (torch.sum, (wide,)),
        "sum of columns": (lambda a: a.sum(0), (f32,)),
        "argmax": (lambda a: a.argmax(-1), (f32,)),
        "cumsum": (lambda a: a.cumsum(-1), (f32,)),
        "cumsum of few rows": (lambda a: a.cumsum(-1), (f32.reshape(4, -1),)),
        "cumsum of columns": (lambda a: a.cumsum(0), (f32,)),
        "mm": (torch.mm, (square[:256], square)),
        "mm of few rows": (torch.mm, (square[:4], square.t())),
        "mm of float32": (torch.mm, (f32[:256, :512], f32[:512])),
        "bmm": (torch.bmm, (square.view(8, 128, 1024), square.view(8, 1024, 128))),
    }


NAMES = list(_calls("cpu"))


@pytest.fixture
def eight_threads():
    """There is something to choose then; two cores are enough for it."""
    before = torch.get_num_threads()
    torch.set_num_threads(8)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", NAMES)
def test_numbers_of_every_variant(gems, device, eight_threads, name):
    call, args = _calls(device)[name]
    c = _native.native()
    with torch.no_grad():
        want = call(*args)
        exact = call(*[a.double() if isinstance(a, torch.Tensor) and a.is_floating_point() else a for a in args])
        gems.enable()
        c.tune_trace(True)
        try:
            c.tune_force("own")
            call(*args)
        finally:
            c.tune_force("auto")
            seen = c.tune_trace(False)
        # An operator made of several of ours: the one with the most variants.
        _, _, candidates = max(seen, key=lambda s: len(s[2]))
        variants = [v for v in candidates if v.startswith("own:")]
        assert len(variants) == len(set(variants))
        assert len(variants) >= 2
        for v in variants:
            c.tune_force(v)
            before = c.call_count()
            try:
                with jit.using("sync"):
                    got = call(*args)
            finally:
                c.tune_force("auto")
            assert c.call_count() > before, f"{v}: {c.last_fallback()}"
            if not want.is_floating_point():
                assert torch.equal(got, want), v
                continue
            # As near to the exact result as the native kernel is, but for the order of the additions.
            error, native = (got.double() - exact).abs(), (want.double() - exact).abs()
            scale = exact.abs().max()
            limit = 2 * native.max() + 1e-5 * scale
            assert error.max() <= limit, f"{v}: {error.max():.3g} from the exact result, native {native.max():.3g}"


def test_short_columns_are_torchs_unless_asked_for(gems):
    """Along another dimension than the last softmax of few elements is faster there."""
    short, long, last = torch.randn(16, 64), torch.randn(300, 64), torch.randn(64, 16)
    gems.enable()
    c = _native.native()

    def runs(x, dim):
        before = c.call_count()
        torch.softmax(x, dim)
        return c.call_count() > before

    assert not runs(short, 0) and "short columns" in c.last_fallback()
    assert runs(long, 0) and runs(last, 1)
    c.tune_force("own")
    try:
        assert runs(short, 0)
    finally:
        c.tune_force("auto")
