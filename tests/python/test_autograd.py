"""Gradients: the overrides lie below autograd, so formulas of torch call our kernels in backward too."""

from __future__ import annotations

import pytest
import torch

F = torch.nn.functional

# name, function of double tensors, shapes of the tensors
FUNCTIONS = [
    ("add", lambda a, b: torch.add(a, b, alpha=1.5), [(3, 4), (4,)]),
    ("sub", torch.sub, [(3, 4), (3, 1)]),
    ("mul", torch.mul, [(3, 4), (4,)]),
    ("div", lambda a, b: a / (b.abs() + 1), [(3, 4), (3, 4)]),
    ("pow", lambda a: (a.abs() + 0.5) ** 2.5, [(3, 4)]),
    ("rsqrt", lambda a: torch.rsqrt(a.abs() + 0.5), [(3, 4)]),
    ("exp", torch.exp, [(3, 4)]),
    ("log", lambda a: torch.log(a.abs() + 0.5), [(3, 4)]),
    ("sin cos", lambda a: a.sin() * a.cos(), [(3, 4)]),
    ("silu", F.silu, [(3, 4)]),
    ("gelu", F.gelu, [(3, 4)]),
    ("gelu tanh", lambda a: F.gelu(a, approximate="tanh"), [(3, 4)]),
    ("sigmoid", torch.sigmoid, [(3, 4)]),
    ("tanh", torch.tanh, [(3, 4)]),
    ("where", lambda a, b: torch.where(a > 0, a, b), [(3, 4), (3, 4)]),
    ("masked_fill", lambda a: a.masked_fill(a > 0, 0.5), [(3, 4)]),
    ("clamp", lambda a: a.clamp(-0.5, 0.7), [(3, 4)]),
    ("maximum", torch.maximum, [(3, 4), (3, 4)]),
    ("sum", lambda a: a.sum(0), [(3, 4)]),
    ("mean", lambda a: a.mean(-1, keepdim=True), [(3, 4)]),
    ("amax", lambda a: a.amax(-1), [(3, 4)]),
    ("cumsum", lambda a: a.cumsum(-1), [(3, 4)]),
    ("softmax", lambda a: a.softmax(-1), [(3, 5)]),
    ("log_softmax", lambda a: a.log_softmax(0), [(3, 5)]),
    ("layer_norm", lambda a, w, b: F.layer_norm(a, (5,), w, b), [(3, 5), (5,), (5,)]),
    ("rms_norm", lambda a, w: F.rms_norm(a, (5,), w, 1e-5), [(3, 5), (5,)]),
    ("mm", torch.mm, [(3, 4), (4, 2)]),
    ("addmm", lambda c, a, b: torch.addmm(c, a, b, beta=0.5, alpha=2), [(2,), (3, 4), (4, 2)]),
    ("bmm", torch.bmm, [(2, 3, 4), (2, 4, 2)]),
    ("mv", torch.mv, [(3, 4), (4,)]),
    ("linear", F.linear, [(2, 3, 4), (5, 4), (5,)]),
    ("matmul", torch.matmul, [(2, 3, 4), (4, 5)]),
    ("cat", lambda a, b: torch.cat([a, b], 1), [(3, 4), (3, 2)]),
    ("stack", lambda a, b: torch.stack([a, b]), [(3, 4), (3, 4)]),
    ("gather", lambda a: a.gather(1, torch.tensor([[0, 1], [2, 0], [1, 1]], device=a.device)), [(3, 4)]),
    ("index_select", lambda a: a.index_select(0, torch.tensor([0, 2, 2], device=a.device)), [(3, 4)]),
    ("embedding", lambda w: F.embedding(torch.tensor([[0, 2], [1, 2]], device=w.device), w), [(3, 4)]),
    ("tril", lambda a: a.tril(), [(4, 4)]),
    ("copy", lambda a: torch.zeros_like(a).copy_(a) * 2, [(3, 4)]),
    ("to", lambda a: a.to(torch.float32).to(torch.float64) * 2, [(3, 4)]),
    ("in place", lambda a: (a * 2).mul_(a).add_(1).sigmoid_(), [(3, 4)]),
    ("sdpa", lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True), [(1, 2, 4, 4)] * 3),
    ("silu_and_mul", lambda a, b: torch.ops.flag_gems.silu_and_mul(a, b), [(3, 4), (3, 4)]),
]


def tensors(shapes, device, dtype=torch.float64):
    g = torch.Generator().manual_seed(0)
    return [torch.randn(s, generator=g, dtype=dtype).to(device).requires_grad_() for s in shapes]


@pytest.mark.parametrize("f, shapes", [pytest.param(f, s, id=n) for n, f, s in FUNCTIONS])
def test_gradcheck(gems, device, f, shapes):
    x = tensors(shapes, device)
    before = gems._debug_call_count()
    with gems.use_gems():
        loose = {"atol": 1e-2, "rtol": 1e-2, "eps": 1e-3} if f is dict((n, f) for n, f, _ in FUNCTIONS)["to"] else {}
        assert torch.autograd.gradcheck(f, x, fast_mode=True, **loose)
    assert gems._debug_call_count() > before


@pytest.mark.parametrize("name", ["mul", "silu_and_mul", "softmax", "mm", "tanh"])
def test_second_derivative(gems, device, name):
    f, shapes = next((f, s) for n, f, s in FUNCTIONS if n == name)
    with gems.use_gems():
        assert torch.autograd.gradgradcheck(f, tensors(shapes, device), fast_mode=True)


def block():
    return torch.nn.Sequential(
        torch.nn.Linear(32, 64),
        torch.nn.SiLU(),
        torch.nn.LayerNorm(64),
        torch.nn.Linear(64, 32),
        torch.nn.GELU(),
        torch.nn.RMSNorm(32),
    )


def test_training_step_equals_native(gems, device):
    """Loss and all gradients of a small network, then of the network after an optimizer's step."""
    torch.manual_seed(0)
    model = block().to(device)
    state = {k: v.clone() for k, v in model.state_dict().items()}
    x = torch.randn(8, 32, device=device)

    def train():
        model.load_state_dict(state)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
        losses = []
        for _ in range(3):
            optimizer.zero_grad()
            loss = F.mse_loss(model(x), x)
            loss.backward()
            losses.append(loss.item())
            grads = [p.grad.clone() for p in model.parameters()]
            optimizer.step()
        return losses, grads

    losses, grads = train()
    before = gems._debug_call_count()
    with gems.use_gems():
        ours, our_grads = train()
    assert gems._debug_call_count() - before > 50
    torch.testing.assert_close(ours, losses, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(our_grads, grads, rtol=1e-3, atol=1e-4)


def test_backward_of_a_forward_from_before(gems, device):
    """A graph recorded natively may run backward on our kernels, and the other way round."""
    (x,) = tensors([(5, 7)], device)
    y = x.softmax(-1).pow(2).sum()
    with gems.use_gems():
        (ours,) = torch.autograd.grad(y, x)
        z = x.softmax(-1).pow(2).sum()
    (native,) = torch.autograd.grad(z, x)
    torch.testing.assert_close(ours, native)


def test_composites_have_gradients_only_with_grad_mode(gems, device):
    """rms_norm and linear are served without gradients and decomposed with them."""
    x, w = torch.randn(4, 8, device=device), torch.randn(8, device=device, requires_grad=True)
    with gems.use_gems():
        y = F.rms_norm(x, (8,), w, 1e-5)
        assert y.requires_grad
        y.sum().backward()
        with torch.no_grad():
            assert not F.rms_norm(x, (8,), w, 1e-5).requires_grad
    want = torch.autograd.grad(F.rms_norm(x, (8,), w, 1e-5).sum(), w)[0]
    torch.testing.assert_close(w.grad, want)


def test_saved_tensors_are_versioned(gems, device):
    """An in-place change of what backward needs is still an error."""
    (x,) = tensors([(3, 4)], device)
    with gems.use_gems():
        y = x * 1
        z = y.sigmoid()
        w = z * z
        z.add_(1)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            w.sum().backward()


def test_functorch(gems, device):
    x = torch.randn(3, 5, device=device, dtype=torch.float64)

    def f(t):
        return (t.softmax(-1) * F.silu(t)).sum(-1)

    want = torch.func.vmap(torch.func.jacrev(f))(x)
    with gems.use_gems():
        torch.testing.assert_close(torch.func.vmap(torch.func.jacrev(f))(x), want)
        torch.testing.assert_close(torch.func.jvp(f, (x,), (x,))[1], torch.func.vmap(lambda j, v: j @ v)(want, x))
