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
        "narrow": [x, 1, 2, 3], "transpose": [x, 0, 1], "unfold": [x, 1, 3, 2], "unsqueeze": [x, 0],
        "argsort": [-x], "msort": [-x], "quantile": [x, 0.3, 1], "nanquantile": [x, 0.3, 1], "isin_tensor_scalar": [x, 3], "diff": [x, 2, 1],
        "normed_cumsum": [x, 1], **{name: [x] for name in DRAWN}, "geometric": [x, 0.3], "multinomial": [x, 2],
        **{name: [x, 0.4, True] for name in ("dropout", "alpha_dropout", "alpha_dropout_", "feature_dropout", "feature_dropout_")},
    }  # fmt: skip


DRAWN = ("cauchy", "exponential", "log_normal", "uniform")
FACTORIES = ("scalar_tensor",)


@pytest.mark.parametrize("name", arguments("cpu"))
def test_composite(name, gems, device):
    args, ours_args = arguments(device)[name], arguments(device)[name]
    kwargs = {"device": device, "dtype": torch.float32} if name in FACTORIES else {}
    flag_gems.disable()
    torch.manual_seed(3)
    call = _composites.overload_of(name)
    want = call(list(args)) if name == "block_diag" else call(*args, **kwargs)
    before = _native.native().call_count()
    torch.manual_seed(3)
    got = getattr(flag_gems, name)(*ours_args, **kwargs)
    ours = _native.native().call_count() - before
    for g, w in zip(*[(r,) if isinstance(r, torch.Tensor) else tuple(r) for r in (got, want)], strict=True):
        assert g.shape == w.shape and g.dtype == w.dtype
        if name in DRAWN:  # the native stream, to rounding
            torch.testing.assert_close(g, w, rtol=2e-6, atol=2e-6)
        else:
            assert torch.equal(g, w)
    packet, inner = _composites.COMPOSITES[name]
    native_only = {"narrow_copy": "cpu", "resolve_conj": device, "resolve_neg": device, "contiguous": "", "scalar_tensor": device}
    if inner and native_only.get(name) != device:
        assert ours > 0, f"{name}: none of {inner} ran"


def test_names_exist():
    """Every inner operator is a function of the table, so that a renamed one doesn't silently leave a composite without our kernels."""
    known = gems().table.by_function
    wrong = {name: [i for i in inner.split() if i not in known] for name, (_, inner) in _composites.COMPOSITES.items()}
    assert not any(wrong.values()), {n: w for n, w in wrong.items() if w}
