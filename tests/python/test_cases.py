"""Every served overload, every dtype, many layouts and values: see cases.py."""

from __future__ import annotations

import cases
import pytest
import torch
from conftest import device_of

CASES = cases.all_cases()


def pytest_generate_tests(metafunc):
    if metafunc.function is test_values:
        device = device_of(metafunc.config)
        pairs = [(c, d) for c in CASES for d in cases.dtypes_of(c, device)]
        metafunc.parametrize("case, dtype", pairs, ids=[f"{c.key}-{str(d)[6:]}" for c, d in pairs])


def test_values(case, dtype, gems, device):
    """All samples of an overload and dtype; the failures are listed together."""
    bad, seen = [], set()
    for sample in case.samples(dtype, device):
        try:
            seen.add(case.test(sample, dtype, device))
        except AssertionError as e:
            bad.append(f"{sample.name}: {e}")
    if bad:
        pytest.fail(f"{case.key} {dtype}: {len(bad)} samples fail:\n  " + "\n  ".join(bad[:6]), pytrace=False)
    assert seen, "no sample"


@pytest.mark.parametrize("case", [c for c in CASES if c.differentiable()], ids=repr)
def test_gradient(case, gems, device):
    case.gradient(device)


def test_support(gems, device):
    """Every overload is served in float32 (or, for bits, int32), for its first sample: the table promises nothing else."""
    native = []
    for case in CASES:
        dtype = torch.int32 if case.op.startswith("bitwise") or case.op in ("bincount", "gcd", "lcm") else torch.float32
        if device == "cuda" and case.op in cases.NOT_ON_GPU:
            continue
        if dtype in cases.dtypes_of(case, device) and case.support(dtype, device) != "own":
            native.append(case.key)
    assert native == []


def test_benchmark_measures_both(gems, device):
    case = next(c for c in CASES if c.key == "mul.Tensor")
    sample = next(s for s in case.samples(torch.float32, device) if s.name == "large")
    native, ours = case.benchmark(sample, seconds=0.02)
    assert 0 < native < 1 and 0 < ours < 1


def test_unserved_dtypes_run_natively(gems, device):
    """Complex numbers: the native result, for every overload that torch has them for."""
    bad = []
    for case in CASES:
        if case.family != "pointwise" or case.out_names or case.custom or not cases.dtypes_of(case, device):
            continue
        sample = next(iter(case.samples(torch.float32, device)))
        sample.args = [a.to(torch.complex64) if isinstance(a, torch.Tensor) and a.is_floating_point() else a for a in sample.args]
        want = case.native(sample)
        got, calls, _ = case.ours(sample)
        same = type(got) is type(want) if isinstance(want, Exception) else not isinstance(got, Exception)
        if same and not isinstance(want, Exception):
            same = all(torch.equal(torch.view_as_real(g) if g.is_complex() else g, torch.view_as_real(w) if w.is_complex() else w)
                       for g, w in zip(got, want))  # fmt: skip
        # torch asks isinf of the real and the imaginary part, and those calls are ours
        if (calls and case.op != "isinf") or not same:
            bad.append(case.key)
    assert bad == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="chosen on the CPU")
def test_every_instruction_set(gems):
    """One operator of each family on each instruction set that this machine has; the best one runs in all other tests."""
    from flag_gems import _native

    native = _native.native()
    names = native.isas()
    assert names, "no instruction set"
    keys = (
        "add.Tensor",
        "silu",
        "exp",
        "sum.dim_IntList",
        "argmax",
        "var_mean.correction",
        "logsumexp",
        "linalg_vector_norm",
        "count_nonzero.dim_IntList",
        "aminmax",
        "equal",
        "_safe_softmax",
        "_weight_norm_interface_backward",
        "native_batch_norm",
        "native_group_norm_backward",
        "nll_loss_forward",
        "_softmax",
        "native_layer_norm",
        "cumsum",
        "sort.stable",
        "topk",
        "kthvalue",
        "_unique2",
        "isin.Tensor_Tensor",
        "searchsorted.Tensor",
        "masked_select",
        "gather",
        "index.Tensor",
        "index_select",
        "scatter_add",
        "scatter.src",
        "scatter_reduce.two",
        "index_add",
        "nonzero",
        "masked_select",
        "masked_scatter_",
        "flip",
        "roll",
        "reflection_pad2d",
        "replication_pad2d_backward",
        "unfold_backward",
        "tril",
        "copy_",
        "mm",
        "remainder.Tensor",
        "div.Tensor_mode",
        "pow.Tensor_Tensor",
        "erfc",
        "atan2",
        "sinh",
        "mish_backward",
        "gcd",
        "huber_loss",
    )
    try:
        for name in names:
            assert native.force_isa(name), name
            for case in [c for c in CASES if c.key in keys]:
                for dtype in (torch.float32, torch.bfloat16, torch.int32, torch.int64):
                    for sample in case.samples(dtype, "cpu"):
                        try:
                            case.test(sample, dtype, "cpu")
                        except AssertionError as e:
                            pytest.fail(f"{name}: {case.key} {dtype} {sample.name}: {e}", pytrace=False)
    finally:
        native.force_isa(None)
