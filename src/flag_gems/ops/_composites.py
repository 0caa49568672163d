"""Operators that torch composes of others, which are ours: functions of ``flag_gems.ops`` without a row of the operator table.

name: (ATen packet or overload, inner operators that run on our kernels). Views move no data: nothing runs.
docs/coverage-index-shape.md, docs/coverage-pointwise.md and docs/coverage-reduce.md say for every operator of
these kinds which it is.
"""

from __future__ import annotations

import torch

from . import _aliases
from ._composed_norms import COMPOSED

COPY = "clone copy_"
SCATTER = "clone copy_"
GRADIENT = "zeros zero_ copy_"
FILL = "fill_scalar_ fill_tensor_"

COMPOSITES: dict[str, tuple[str, str]] = {
    **COMPOSED,
    **_aliases.ALIASES,
    # copies of views
    **{
        name: (name, COPY)
        for name in (
            "alias_copy",
            "as_strided_copy",
            "detach_copy",
            "diagonal_copy",
            "expand_copy",
            "lift_fresh_copy",
            "permute_copy",
            "select_copy",
            "slice_copy",
            "split_with_sizes_copy",
            "squeeze_copy",
            "t_copy",
            "transpose_copy",
            "unbind_copy",
            "unfold_copy",
            "unsqueeze_copy",
            "view_copy",
            "_conj_copy",
            "copy",
            "contiguous",
            "narrow_copy",
            "resolve_conj",
            "resolve_neg",
        )
    },
    **{
        f"{name}_out": (f"{name}.out", COPY)
        for name in ("alias_copy", "as_strided_copy", "t_copy", "_conj_copy", "lift_fresh_copy")
    },
    # a copy with a part replaced
    **{name: (name, SCATTER) for name in ("as_strided_scatter", "diagonal_scatter", "select_scatter", "slice_scatter")},
    # gradients
    **{name: (name, GRADIENT) for name in ("diagonal_backward", "select_backward", "slice_backward")},
    "gather_backward": ("gather_backward", "zeros fill_scalar_ zero_ scatter_add_ scatter_add"),
    "index_select_backward": ("index_select_backward", "zeros zero_ index_add index_add_ scatter_add_"),
    "value_selecting_reduction_backward": ("value_selecting_reduction_backward", "zeros zero_ scatter_ scatter"),
    "masked_scatter_backward": ("masked_scatter_backward", "masked_select zeros cat"),
    "embedding_backward": ("embedding_backward", "embedding_dense_backward"),
    # new tensors
    "fill_scalar": ("fill.Scalar", FILL),
    "fill_tensor": ("fill.Tensor", FILL),
    "fill_scalar_out": ("fill.Scalar_out", FILL + " copy_"),
    "fill_tensor_out": ("fill.Tensor_out", FILL + " copy_"),
    "zero": ("zero", "zero_"),
    "zero_out": ("zero.out", "zero_ copy_"),
    "scalar_tensor": ("scalar_tensor", FILL),
    # pieces put together
    "block_diag": ("block_diag", "zeros zero_ copy_"),
    "pad": ("pad", "constant_pad_nd " + " ".join(f"{how}_pad{n}d" for how in ("reflection", "replication") for n in (1, 2, 3))),
    **{name: (name, "cat stack copy_") for name in ("concat", "concatenate", "hstack", "vstack")},
    "diag": ("diag", "zeros zero_ " + COPY),
    "diag_embed": ("diag_embed", "zeros zero_ copy_"),
    "tile": ("tile", "repeat"),
    "rot90": ("rot90", "flip " + COPY),
    "repeat_interleave_self_int": ("repeat_interleave.self_int", COPY + " repeat_interleave_tensor index_select"),
    "repeat_interleave_self_tensor": ("repeat_interleave.self_Tensor", "repeat_interleave_tensor index_select cumsum"),
    "one_hot": ("one_hot", "zeros zero_ scatter_ fill_scalar_ min max"),
    "nonzero_numpy": ("nonzero_numpy", "nonzero"),
    "unsafe_masked_index": ("_unsafe_masked_index", "index masked_fill_ clamp"),
    "unsafe_masked_index_put_accumulate": ("_unsafe_masked_index_put_accumulate", "index_put masked_fill clamp"),
    # no data moves
    **{
        name: (name, "")
        for name in (
            "alias",
            "broadcast_tensors",
            "broadcast_to",
            "chunk",
            "expand",
            "expand_as",
            "flatten",
            "narrow",
            "tensor_split",
            "transpose",
            "unbind",
            "unflatten",
            "unfold",
            "unsqueeze",
            "unsqueeze_",
            "unsafe_chunk",
            "view_as_complex",
            "_reshape_alias",
            "_unsafe_view",
            "lift",
            "lift_fresh",
            "resize_",
            "resize_as_",
            "resize",
            "resize_as",
            "empty_permuted",
            "is_nonzero",
        )
    },
}


def overload_of(name: str):
    """The torch operator; AttributeError where this torch hasn't got it."""
    if callable(COMPOSITES[name][0]):
        return COMPOSITES[name][0]
    packet, _, overload = COMPOSITES[name][0].partition(".")
    found = getattr(torch.ops.aten, packet)
    return getattr(found, overload) if overload else found


class Composite:
    """Calls an operator of torch with those that it is composed of on our kernels."""

    def __init__(self, name: str, gems):
        self.__name__ = self.__qualname__ = name
        self.__module__ = f"flag_gems.ops.{name}"
        self._call = overload_of(name)
        if _aliases.is_loss(name):
            self._call = _aliases.loss_call(self._call)
        self.__doc__ = f"{name}, composed of {COMPOSITES[name][1] or 'nothing of ours'}"
        self.rows = tuple(r for inner in COMPOSITES[name][1].split() for r in gems.table.by_function.get(inner, ()))
        self._state = gems.state
        self._mask = gems.table.mask(self.rows)

    def __call__(self, *args, **kwargs):
        if self.__name__ == "block_diag" and args and isinstance(args[0], torch.Tensor):
            args = (list(args),)
        if not self.rows or torch.compiler.is_compiling() or all(self._state.active[r] for r in self.rows):
            return self._call(*args, **kwargs)
        self._state.force(self._mask)
        try:
            return self._call(*args, **kwargs)
        finally:
            self._state.unforce(self._mask)

    def __repr__(self):
        return f"<flag_gems operator {self.__name__}: {self.__doc__}>"
