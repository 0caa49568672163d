"""torch.ops.flag_gems.*, their Python signatures and the modules built from them."""

from __future__ import annotations

import pytest
import torch

F = torch.nn.functional
DTYPES = [torch.float32, torch.bfloat16, torch.float16, torch.float64]


def rms(x, weight, eps):
    return F.rms_norm(x, weight.shape, weight, eps)


@pytest.mark.parametrize("grad", [False, True])
@pytest.mark.parametrize("shapes", [[(3, 5), (3, 5)], [(2, 3, 8), (2, 3, 8)]])
def test_opcheck_silu_and_mul(gems, device, shapes, grad):
    args = tuple(torch.randn(s, device=device, requires_grad=grad) for s in shapes)
    torch.library.opcheck(torch.ops.flag_gems.silu_and_mul.default, args)


def test_opcheck_fused_add_rms_norm(gems, device):
    args = (torch.randn(3, 8, device=device), torch.randn(3, 8, device=device), torch.randn(8, device=device), 1e-5)
    torch.library.opcheck(torch.ops.flag_gems.fused_add_rms_norm.default, args)


@pytest.mark.parametrize("dtype", DTYPES)
def test_silu_and_mul(gems, ran, device, dtype):
    x, y = (torch.randn(5, 33, device=device).to(dtype) for _ in range(2))
    got, calls = ran(gems.silu_and_mul, x, y)
    gems.testing.assert_close(got, F.silu(x.double()) * y.double(), dtype)
    assert calls == 1
    out = torch.empty_like(x)
    assert gems.silu_and_mul_out(x, y, out) is out
    gems.testing.assert_equal(out, got)


@pytest.mark.parametrize("dtype", DTYPES)
def test_silu_and_mul_gradients(gems, device, dtype):
    x, y = (torch.randn(5, 33, device=device).to(dtype).requires_grad_() for _ in range(2))
    gems.silu_and_mul(x, y).sum().backward()
    xd, yd = (t.detach().double().requires_grad_() for t in (x, y))
    (F.silu(xd) * yd).sum().backward()
    gems.testing.assert_close(x.grad, xd.grad, dtype, atol=1e-3)
    gems.testing.assert_close(y.grad, yd.grad, dtype, atol=1e-3)


def test_silu_and_mul_broadcast_gradient(gems, device):
    x = torch.randn(3, 4, device=device, dtype=torch.float64, requires_grad=True)
    y = torch.randn(4, device=device, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(torch.ops.flag_gems.silu_and_mul, (x, y))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape, norm", [((5, 33), (33,)), ((2, 3, 64), (64,)), ((2, 3, 8), (3, 8)), ((0, 8), (8,))])
def test_fused_add_rms_norm(gems, device, dtype, shape, norm):
    x, residual = (torch.randn(shape, device=device).to(dtype) for _ in range(2))
    weight = torch.randn(norm, device=device).to(dtype)
    total = x.double() + residual.double()
    want = rms(total, weight.double(), 1e-5)
    a, b = gems.fused_add_rms_norm(x, residual, list(norm), weight)
    assert a is x and b is residual, "in place"
    gems.testing.assert_close(residual, total, dtype)
    gems.testing.assert_close(x, want, dtype, atol=1e-3)


def test_fused_add_rms_norm_of_strided_rows(gems, device):
    base = torch.randn(4, 6, 3, 2, device=device)
    x, residual, weight = base[..., 0], base[..., 1], torch.randn(6, 3, device=device)
    total = x + residual
    gems.fused_add_rms_norm(x, residual, [6, 3], weight)
    torch.testing.assert_close(residual, total)
    torch.testing.assert_close(x, rms(total, weight, 1e-5))


def test_fused_add_rms_norm_errors(gems, device):
    x, w = torch.randn(3, 8, device=device), torch.randn(8, device=device)
    with pytest.raises(RuntimeError):
        gems.fused_add_rms_norm(x, torch.randn(2, 8, device=device), [8], w)
    with pytest.raises(RuntimeError, match="normalized_shape"):
        gems.fused_add_rms_norm(x, x.clone(), [5], w)


def test_fused_add_rms_norm_with_gradients(gems, device):
    """In place and differentiable: gradients are those of the composition."""
    leaf = [torch.randn(3, 8, device=device, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    weight = torch.randn(8, device=device, dtype=torch.float64, requires_grad=True)

    def ours(x, residual, weight):
        x, residual = x.clone(), residual.clone()
        gems.fused_add_rms_norm(x, residual, [8], weight)
        return x, residual

    assert torch.autograd.gradcheck(ours, (*leaf, weight))
    with pytest.raises(RuntimeError, match="leaf"):
        gems.fused_add_rms_norm(leaf[0], leaf[1], [8], weight)


def test_other_fused(gems, device):
    x, y, w, b = (torch.randn(s, device=device) for s in ((3, 8), (3, 8), (8,), (8,)))
    torch.testing.assert_close(gems.add_rms_norm(x, y, [8], w), rms(x + y, w, 1e-5))
    torch.testing.assert_close(gems.gelu_and_mul(x, y, "tanh"), F.gelu(x, approximate="tanh") * y)
    torch.testing.assert_close(gems.skip_layer_norm(x, y, [8], w, b), F.layer_norm(x + y, (8,), w, b))
    torch.testing.assert_close(gems.silu_and_mul_with_clamp(x, y, 0.5), F.silu(x.clamp(max=0.5)) * y.clamp(-0.5, 0.5))


def test_modules(gems, device):
    from flag_gems.modules import GemsRMSNorm, GemsSiluAndMul

    x, y = torch.randn(3, 8, device=device), torch.randn(3, 8, device=device)
    torch.testing.assert_close(GemsSiluAndMul()(x, y), F.silu(x) * y)
    norm = GemsRMSNorm([8], eps=1e-5, device=device)
    with torch.no_grad():
        norm.weight.uniform_()
        torch.testing.assert_close(norm(x), rms(x, norm.weight, 1e-5))
        residual = y.clone()
        out, kept = norm(x.clone(), residual)
        torch.testing.assert_close(kept, x + y)
        torch.testing.assert_close(out, rms(x + y, norm.weight, 1e-5))
    norm(x).sum().backward()
    torch.testing.assert_close(norm.weight.grad, (rms(x, torch.ones_like(norm.weight), 1e-5)).sum(0))


@pytest.mark.parametrize("interleaved", [False, True])
def test_rope(gems, device, interleaved):
    from flag_gems.modules import GemsRope

    rope = GemsRope(8, 32, 10000.0, interleaved, torch.float64, device)
    q, k = (
        torch.randn(2, 5, 3, 8, device=device, dtype=torch.float64),
        torch.randn(2, 5, 1, 8, device=device, dtype=torch.float64),
    )
    oq, ok = rope(q, k)

    def turn(t):  # as complex numbers
        pairs = t.unflatten(-1, (4, 2)) if interleaved else t.unflatten(-1, (2, 4)).transpose(-1, -2)
        angle = torch.arange(5, device=device)[:, None, None] * 10000.0 ** (-torch.arange(0, 8, 2, device=device).double() / 8)
        z = torch.view_as_real(torch.view_as_complex(pairs.contiguous()) * torch.polar(torch.ones_like(angle), angle))
        return (z if interleaved else z.transpose(-1, -2)).flatten(-2)

    torch.testing.assert_close(oq, turn(q), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(ok, turn(k), rtol=1e-5, atol=1e-6)
    ids = torch.tensor([4, 0, 2, 2, 1], device=device)
    by_id, _ = rope(q[0], k[0], position_ids=ids)
    torch.testing.assert_close(by_id[0], rope(q[:, [0] * 5], k[:, [0] * 5])[0][0, 4])
    inplace = q.clone()
    assert rope(inplace, k.clone(), inplace=True)[0] is inplace
    torch.testing.assert_close(inplace, oq)
