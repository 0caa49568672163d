"""What the cases of reductions and norms don't show: accuracy of variances, results whatever the number of threads, gradients, modules."""

from __future__ import annotations

import contextlib
import copy

import pytest
import torch

import flag_gems


def error(got, want):
    return float(((got.double() - want) / want).abs().max())


@pytest.mark.parametrize("dim", [0, 1, None], ids=str)
@pytest.mark.parametrize("mean", [0.0, 1e4])
def test_variance_is_as_accurate(gems, device, dim, mean):
    """Also far from zero, where sums of squares would keep no digit."""
    torch.manual_seed(0)
    x = (torch.randn(700, 900, device=device) + mean).float()
    reference = torch.var_mean(x.double(), dim)
    native = torch.var_mean(x, dim)
    with flag_gems.use_gems():
        ours = torch.var_mean(x, dim)
    for k in range(2):
        if k == 0 or mean:
            assert error(ours[k], reference[k]) <= max(error(native[k], reference[k]), 4e-7)


def test_a_variance_keeps_its_digits_in_long_rows(gems, device):
    x = torch.linspace(0, 1, 1 << 22, device=device)
    with flag_gems.use_gems():
        assert float(x.var()) == pytest.approx(float(x.double().var()), rel=4e-7)
        assert int(torch.count_nonzero(torch.ones(1 << 25, device=device))) == 1 << 25


@pytest.mark.skipif(torch.cuda.is_available(), reason="threads of the CPU")
def test_same_for_any_number_of_threads(gems):
    x = torch.randn(3, 700001)
    threads = torch.get_num_threads()
    with flag_gems.use_gems():
        try:
            torch.set_num_threads(1)
            one = [*torch.var_mean(x, 1), x.logsumexp(1), *torch.var_mean(x.t().contiguous(), 0), x.std()]
        finally:
            torch.set_num_threads(threads)
        many = [*torch.var_mean(x, 1), x.logsumexp(1), *torch.var_mean(x.t().contiguous(), 0), x.std()]
    assert all(torch.equal(a, b) for a, b in zip(one, many))


@pytest.mark.parametrize("shape", [(4, 6, 30, 40), (9, 300, 7, 9), (5, 40, 31)], ids=str)
@pytest.mark.parametrize("kind", ["batch", "group", "instance"])
def test_modules_train_alike(gems, device, shape, kind):
    """Results, running statistics and gradients in float64 of two steps, and then inference."""
    torch.manual_seed(1)
    plain = (
        {1: torch.nn.BatchNorm1d, 2: torch.nn.BatchNorm2d}
        if kind == "batch"
        else {1: torch.nn.InstanceNorm1d, 2: torch.nn.InstanceNorm2d}
    )
    options = {"affine": True, "track_running_stats": True}
    module = torch.nn.GroupNorm(2, shape[1]) if kind == "group" else plain[len(shape) - 2](shape[1], **options)
    module = module.double().to(device)
    other = copy.deepcopy(module)
    inputs = [torch.randn(shape, dtype=torch.float64, device=device) for _ in range(2)]

    def steps(m):
        results = []
        for x in inputs:
            x = x.clone().requires_grad_()
            y = m(x)
            y.sin().sum().backward()
            results += [y.detach(), x.grad]
        m.eval()
        return [*results, m(inputs[0]).detach(), *[p.grad for p in m.parameters()], *m.buffers()]

    want = steps(module)
    with flag_gems.use_gems():
        got = steps(other)
    for g, w in zip(got, want, strict=True):
        torch.testing.assert_close(g, w, rtol=1e-9, atol=1e-9)


def test_cross_entropy_and_its_gradient(gems, device):
    x = torch.randn(40, 11, 6, 5, dtype=torch.float64, device=device)
    t = torch.randint(11, (40, 6, 5), device=device)
    for options in ({}, {"ignore_index": 3}, {"reduction": "sum"}, {"reduction": "none"}, {"weight": torch.rand(11, dtype=torch.float64, device=device)}):  # fmt: skip
        ends = []
        for use in (False, True):
            y = x.clone().requires_grad_()
            with flag_gems.use_gems() if use else contextlib.nullcontext():
                loss = torch.nn.functional.cross_entropy(y, t, **options)
                loss.sum().backward()
            ends.append((loss.detach(), y.grad))
        for a, b in zip(*ends):
            torch.testing.assert_close(b, a, rtol=1e-10, atol=1e-10)


def test_different_tensors_are_found_early(gems):
    """Parts are compared one after the other; a difference anywhere counts."""
    x = torch.zeros(5_000_000)
    for at in (0, 32767, 32768, 163839, 163840, 4_999_999):
        y = x.clone()
        y[at] = 1
        with flag_gems.use_gems():
            assert not torch.equal(x, y) and torch.equal(x, x.clone())
