"""torch.compile with the overrides on: the same results, with every backend of torch."""

from __future__ import annotations

import shutil

import pytest
import torch

F = torch.nn.functional


def net(x, w):
    return F.silu(F.rms_norm(x @ w, (w.shape[1],), None, 1e-5)).softmax(-1)


def fused(x, y):
    return torch.ops.flag_gems.silu_and_mul(x, y) * 2


def fused_norm(x, residual, weight):
    x, residual = x.clone(), residual.clone()
    torch.ops.flag_gems.fused_add_rms_norm(x, residual, weight, 1e-5)
    return x + residual


@pytest.fixture(autouse=True)
def fresh():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def backends():
    inductor = pytest.param(
        "inductor",
        marks=pytest.mark.skipif(shutil.which("g++") is None and not torch.cuda.is_available(), reason="needs a compiler"),
    )
    return pytest.mark.parametrize("backend", ["eager", "aot_eager", inductor])


@backends()
def test_forward(gems, device, backend):
    x, w = torch.randn(8, 16, device=device), torch.randn(16, 12, device=device)
    want = net(x, w)
    gems.enable()
    before = gems._debug_call_count()
    got = torch.compile(net, backend=backend, fullgraph=True)(x, w)
    torch.testing.assert_close(got, want)
    calls = gems._debug_call_count() - before
    assert calls > 0, "inductor calls mm.out, the others every operator"


@backends()
@pytest.mark.parametrize(
    "f, shapes", [(fused, [(4, 33)] * 2), (fused_norm, [(4, 33), (4, 33), (33,)])], ids=["silu_and_mul", "add_rms_norm"]
)
def test_custom_operators(gems, device, backend, f, shapes):
    args = [torch.randn(s, device=device) for s in shapes]
    want = f(*args)
    before = gems._debug_call_count()
    torch.testing.assert_close(torch.compile(f, backend=backend, fullgraph=True)(*args), want)
    assert gems._debug_call_count() > before


def test_backward(gems, device):
    x, w = torch.randn(8, 16, device=device, requires_grad=True), torch.randn(16, 16, device=device, requires_grad=True)

    def f(x, w):
        return fused(net(x, w), x).sum()

    want = torch.autograd.grad(f(x, w), (x, w))
    gems.enable()
    torch.testing.assert_close(torch.autograd.grad(torch.compile(f, backend="aot_eager", fullgraph=True)(x, w), (x, w)), want)


def test_dynamic_shapes(gems, device):
    torch._dynamo.utils.counters.clear()  # of the tests before
    gems.enable()
    f = torch.compile(lambda x, y: fused(x, y).sum(-1), backend="aot_eager", fullgraph=True, dynamic=True)
    for n in (3, 5, 8):
        x, y = torch.randn(n, 4, device=device), torch.randn(n, 4, device=device)
        torch.testing.assert_close(f(x, y), fused(x, y).sum(-1))
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1


def test_toggling_between_calls(gems, device):
    """A compiled function obeys what is enabled when it is called."""
    x, w = torch.randn(8, 16, device=device), torch.randn(16, 12, device=device)
    f = torch.compile(net, backend="aot_eager", fullgraph=True)
    want = f(x, w)
    for _ in range(2):
        before = gems._debug_call_count()
        gems.enable()
        torch.testing.assert_close(f(x, w), want)
        assert gems._debug_call_count() > before
        gems.disable()
        before = gems._debug_call_count()
        torch.testing.assert_close(f(x, w), want)
        assert gems._debug_call_count() == before


def test_export(gems, device):
    gems.enable()

    class Net(torch.nn.Module):
        def forward(self, x, w):
            return fused(net(x, w), net(x, w))

    x, w = torch.randn(8, 16, device=device), torch.randn(16, 12, device=device)
    program = torch.export.export(Net(), (x, w))
    assert "flag_gems.silu_and_mul" in program.graph_module.code
    torch.testing.assert_close(program.module()(x, w), fused(net(x, w), net(x, w)))
