"""flag_gems.ops functions of operators that torch composes of ours: the native result, and our kernels inside."""

from __future__ import annotations

import pytest
import torch

import flag_gems
from flag_gems import _native
from flag_gems._api import gems
from flag_gems.ops import _composites


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
    want = call(list(args)) if name == "block_diag" else call(*args, **kwargs)
    before = _native.native().call_count()
    got = getattr(flag_gems, name)(*args, **kwargs)
    ours = _native.native().call_count() - before
    for g, w in zip(*[(r,) if isinstance(r, (torch.Tensor, bool)) else tuple(r) for r in (got, want)], strict=True):
        if isinstance(g, torch.Tensor) and name in norms(torch.ones(4, 6)):  # rounded: sums in another order
            torch.testing.assert_close(g, w, rtol=1e-4, atol=1e-4)
            continue
        assert g == w if not isinstance(g, torch.Tensor) else g.shape == w.shape and g.dtype == w.dtype and torch.equal(g, w)
    packet, inner = _composites.COMPOSITES[name]
    native_only = {"narrow_copy": "cpu", "resolve_conj": device, "resolve_neg": device, "contiguous": "", "scalar_tensor": device}
    if inner and native_only.get(name) != device:
        assert ours > 0, f"{name}: none of {inner} ran"


def test_names_exist():
    """Every inner operator is a function of the table, so that a renamed one doesn't silently leave a composite without our kernels."""
    known = gems().table.by_function
    wrong = {name: [i for i in inner.split() if i not in known] for name, (_, inner) in _composites.COMPOSITES.items()}
    assert not any(wrong.values()), {n: w for n, w in wrong.items() if w}
