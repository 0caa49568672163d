"""flag_gems.ops functions of operators that torch composes of ours: the native result, and our kernels inside."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import samples
import torch

import flag_gems
from flag_gems import _native
from flag_gems._api import gems
from flag_gems.ops import _composites
from flag_gems.ops._aliases import ALIASES


def arguments(device):
    x = torch.arange(24.0, device=device).view(4, 6)
    i = torch.tensor([2, 0, 2], device=device)
    deep = {"device": device}
    return {
        **{name: [x] for name in ("alias_copy", "detach_copy", "lift_fresh_copy", "squeeze_copy", "t_copy", "resolve_conj", "resolve_neg",
                                  "zero", "alias", "unbind", "unbind_copy", "lift", "lift_fresh", "diag")},
        "contiguous": [x.t()], "copy": [x, torch.ones(6, **deep)], "as_strided_copy": [x, [3, 2], [1, 5]], "diagonal_copy": [x],
        "expand_copy": [x, [2, 4, 6]], "permute_copy": [x, [1, 0]], "select_copy": [x, 1, 2], "slice_copy": [x, 1, 1, 5, 2], "split_with_sizes_copy": [x, [1, 3]],
        "transpose_copy": [x, 0, 1], "unfold_copy": [x, 1, 3, 2], "unsqueeze_copy": [x, 0], "view_copy": [x, [6, 4]], "narrow_copy": [x, 1, 2, 3],
        "as_strided_scatter": [x, torch.ones(3, 2, **deep), [3, 2], [6, 1]], "diagonal_scatter": [x, torch.ones(4, **deep)],
        "select_scatter": [x, torch.ones(4, **deep), 1, 2], "slice_scatter": [x, torch.ones(2, 6, **deep), 0, 1, 3],
        "diagonal_backward": [torch.ones(4, **deep), [4, 6], 0, 0, 1], "select_backward": [torch.ones(6, **deep), [4, 6], 0, 2],
        "slice_backward": [torch.ones(2, 6, **deep), [4, 6], 0, 1, 3, 1], "gather_backward": [torch.ones(3, 6, **deep), x, 0, i[:, None].expand(3, 6), False],
        "index_select_backward": [torch.ones(3, 6, **deep), [4, 6], 0, i], "value_selecting_reduction_backward": [torch.ones(4, **deep), 1, i[[0, 1, 2, 1]], [4, 6], False],
        "masked_scatter_backward": [x, x > 9, [24]], "embedding_backward": [torch.ones(3, 6, **deep), i, 4, -1, False, False],
        "fill_scalar": [x, 3], "fill_tensor": [x, torch.tensor(3.0)],
        "scalar_tensor": [3.0],
        "block_diag": [x, x[:2]], "pad": [x[None], [1, 2], "reflect"], "diag_embed": [x], "tile": [x, [2, 3]],
        "rot90": [x, 1, [0, 1]], "repeat_interleave_self_int": [x, 3, 0], "repeat_interleave_self_tensor": [x, i[:1].expand(4), 0], "one_hot": [i, 5],
        "nonzero_numpy": [x > 5], "concat": [[x, x]], "concatenate": [[x, x], 1], "hstack": [[x, x]], "vstack": [[x, x]],
        "broadcast_tensors": [[x, x[:1]]], "broadcast_to": [x, [2, 4, 6]], "chunk": [x, 2], "expand": [x, [2, 4, 6]], "expand_as": [x[:1], x],
        **norms(x),
        "narrow": [x, 1, 2, 3], "transpose": [x, 0, 1], "unfold": [x, 1, 3, 2], "unsqueeze": [x, 0],
        **pointwise(x, i),
    }  # fmt: skip


def norms(x):
    """Reductions, norms and losses."""
    planes = torch.linspace(-2, 3, 2 * 4 * 300, device=x.device).sin().view(2, 4, 300)
    w, b, m, s = (torch.linspace(0.5, k, 4, device=x.device) for k in (1.5, 2, 3, 4))
    y, big = x.flip(0), torch.linspace(-3, 3, 2 * 4 * 20000, device=x.device).sin().view(2, 4, 20000)
    save = [big.mean((0, 2)), 1 / big.std((0, 2))]
    return {
        **{name: [x] for name in ("var_correction", "norm", "norm_scalar", "amin_")}, "var_dim": [x, [1]], "norm_scalaropt_dim": [x, 3, [0]],
        "special_logsumexp": [x, [1]], "dist": [x, y, 3], "_is_all_true": [x > 3], "allclose": [x, x + 1e-9], "renorm": [x, 2, 0, 1.0],
        "renorm_": [x, 2, 0, 1.0], "pairwise_distance": [x, y], "cdist": [x, y, 2.0, 1], "_euclidean_dist": [x, y], "layer_norm": [x, [6]],
        "instance_norm": [planes], "_native_batch_norm_legit_functional": [planes, w, b, m, s, True, 0.1, 1e-5],
        "_native_batch_norm_legit_no_training": [big, w, b, m, s, 0.1, 1e-5], "_batch_norm_no_update": [big, w, b, m, s, 0.1, 1e-5],
        "_batch_norm_with_update_functional": [planes, w, b, m, s, 0.1, 1e-5], "_batch_norm_impl_index": [planes, w, b, None, None, True, 0.1, 1e-5, False],
        "_batch_norm_impl_index_backward": [0, big, big.cos(), w, m, s, *save, True, 1e-5, [True] * 3, torch.empty(0, dtype=torch.uint8)],
        "_weight_norm": [x, x[:, :1] + 1], "weight_norm": [x, x[:, :1] + 1], "cross_entropy_loss": [x, torch.tensor([0, 3, 5, 1], device=x.device)],
        "scaled_softmax_forward": [x, 0.3], "scaled_softmax_backward": [x, y.softmax(-1), 0.3], "special_log_softmax": [x, 1],
        "segment_reduce": [x, "sum"],
        "nll_loss_nd_forward": [planes.log_softmax(1), torch.arange(600, device=x.device).view(2, 300) % 4],
        "nll_loss_nd_backward": [torch.ones((), device=x.device), planes, torch.arange(600, device=x.device).view(2, 300) % 4, None, 1, -100,
                                 torch.full((), 600.0, device=x.device)],
    }  # fmt: skip


def pointwise(x, i):
    """Other names of pointwise operators, and formulas of them."""
    unit, one = (x - 12) / 13, x * 0.1 + 1
    found = {}
    for name, value in (("absolute", unit), ("negative", x), ("fix", one), ("deg2rad", x), ("rad2deg", x), ("square", x),
                        *((f"arc{a}", unit) for a in ("cos", "sin", "tan", "sinh", "tanh")), ("arccosh", one)):  # fmt: skip
        found.update({name: [value], f"{name}_": [value]})
    for name in ("celu", "selu", "hardtanh", "relu6"):
        found.update({name: [unit * 9], f"{name}_": [unit * 9]})
    for name in ("greater", "greater_equal", "less", "less_equal", "not_equal"):
        found.update({name: [x, x.flip(0)], f"{name}_scalar": [x, 3], f"{name}_": [x, x.flip(0)], f"{name}_scalar_": [x, 3]})
    for short, inplace in (("and", "dunder_iand"), ("dunder_or", "dunder_ior")):
        for prefix in (short, inplace):
            found.update({f"{prefix}_tensor": [i, i.flip(0)], f"{prefix}_scalar": [i, 6]})
    found.update({"xor": [i, i.flip(0)], "xor_scalar": [i, 6], "xor_": [i, i.flip(0)], "xor_scalar_": [i, 6], "ixor": [i, 6]})
    for name in ("multiply", "subtract", "true_divide"):
        found.update({name: [x, one], f"{name}_": [x, one]})
    return {
        **found, "arctan2": [unit, one], "arctan2_": [unit, one], "isfinite": [x], "isclose": [x, one], "log_sigmoid": [unit], "glu_backward": [x[:, :3], unit, -1],
        "prelu": [unit, one[0, :1]], "clip": [x, 2, 9], "clip_": [x, 2, 9], "true_divide_tensor": [x, one], "float_power": [one, x],
        "float_power_": [one.double(), 2], "float_power_scalar_tensor": [1.5, unit], "float_power_tensor_scalar": [one, 1.5],
        "float_power_tensor_tensor": [one, unit], "float_power_tensor_scalar_": [one.double(), 1.5],
        "float_power_tensor_tensor_": [one.double(), unit.double()], "binary_cross_entropy_with_logits": [x, (x > 5).float()],
        "gt_tensor_": [x, x.flip(0)], "fmod_": [x, one], "remainder": [x, one], "remainder_": [x, 4], "floor_divide": [x, one], "floor_divide_": [x, 4],
        "xlogy_tensor_scalar_": [x, 2.5], "xor_scalar_tensor": [5, i], "conj_physical": [x], "frexp": [x], "polar": [x, one],
        "margin_ranking_loss": [x, one, (x > 5) * 2.0 - 1],
    }  # fmt: skip


ROOT = Path(__file__).resolve().parents[2]
FACTORIES = ("scalar_tensor",)


@pytest.mark.parametrize("name", arguments("cpu"))
def test_composite(name, gems, device):
    args = arguments(device)[name]
    kwargs = {"device": device, "dtype": torch.float32} if name in FACTORIES else {}
    if name == "segment_reduce":
        kwargs = {"lengths": torch.tensor([1, 3], device=device)}
    if name in ("amin_", "renorm_"):  # in place
        args = [torch.arange(24.0, device=device).view(4, 6) if a is args[0] else a for a in args]
    flag_gems.disable()
    call = _composites.overload_of(name)
    want = call(list(args)) if name == "block_diag" else call(*samples.copy_args(args), **kwargs)
    before = _native.native().call_count()
    got = getattr(flag_gems, name)(*args, **kwargs)
    ours = _native.native().call_count() - before
    for g, w in zip(*[(r,) if isinstance(r, (torch.Tensor, bool)) else tuple(r) for r in (got, want)], strict=True):
        if not isinstance(g, torch.Tensor):
            assert g == w
            continue
        rtol, atol = (2e-6, 1e-6) if name in ALIASES else (1e-4, 1e-4) if name in norms(torch.ones(4, 6)) else (0, 0)
        assert g.shape == w.shape and g.dtype == w.dtype
        assert torch.equal(g, w) or (rtol and torch.allclose(g, w, rtol=rtol, atol=atol))
    packet, inner = _composites.COMPOSITES[name]
    native_only = {"narrow_copy": "cpu", "resolve_conj": device, "resolve_neg": device, "contiguous": "", "scalar_tensor": device}
    if inner and native_only.get(name) != device:
        assert ours > 0, f"{name}: none of {inner} ran"


def test_names_exist():
    """Every inner operator is a function of the table, so that a renamed one doesn't silently leave a composite without our kernels."""
    known = gems().table.by_function
    wrong = {name: [i for i in inner.split() if i not in known] for name, (_, inner) in _composites.COMPOSITES.items()}
    assert not any(wrong.values()), {n: w for n, w in wrong.items() if w}


def test_coverage_table():
    """docs/coverage-pointwise.md names rows and inner operators that there are, for ids that are functions."""
    table = gems().table
    lines = re.findall(
        r"^\| (\w+) \| (row|composite|native): (.*) \|$", (ROOT / "docs" / "coverage-pointwise.md").read_text(), re.M
    )
    assert len(lines) > 350
    wrong = []
    for name, how, text in lines:
        if how == "row":
            wrong += [(name, key) for key in re.findall(r"`([^`]+)`", text) if key not in table.by_key]
        elif how == "composite":
            inner = text.removeprefix("of ").split(", ")
            wrong += [(name, i) for i in inner if i not in table.by_function]
            if name not in _composites.COMPOSITES:
                wrong.append((name, "no function"))
    assert not wrong


@pytest.mark.parametrize("name", ["mse_loss", "smooth_l1_loss", "huber_loss", "soft_margin_loss", "binary_cross_entropy"])
def test_reduction_by_name(name, gems, device):
    """Losses as torch.nn.functional has them, with our kernels."""
    x, target = torch.rand(5, 33, device=device), torch.rand(5, 33, device=device)
    for reduction in ("none", "mean", "sum"):
        flag_gems.disable()
        want = getattr(torch.nn.functional, name)(x, target, reduction=reduction)
        before = _native.native().call_count()
        for got in (
            getattr(flag_gems, name)(x, target, reduction=reduction),
            getattr(flag_gems, name)(input=x, target=target, reduction=reduction),
        ):
            torch.testing.assert_close(got, want)
        assert _native.native().call_count() > before
