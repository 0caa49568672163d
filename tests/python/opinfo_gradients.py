"""Gradients of the calls of opinfo.py, in double: gradcheck through our kernels, and equal to the native gradients."""

from __future__ import annotations

import dataclasses
import warnings

import opinfo
import torch
from torch.autograd import gradcheck, gradgradcheck
from torch.utils._pytree import tree_flatten, tree_unflatten

import flag_gems

LARGEST = 400  # elements of all inputs: gradcheck's cost grows with them
TOLERANCE = {"rtol": 1e-8, "atol": 1e-9}


@dataclasses.dataclass
class Gradient:
    """A sample as a function of those of its tensors that require gradients."""

    op: object
    name: str
    leaves: list
    spec: object
    at: list[int]
    process: object

    def inputs(self):
        return tuple(self.leaves[i].detach().clone().requires_grad_() for i in self.at)

    def __call__(self, *inputs):
        leaves = list(self.leaves)
        for i, t in zip(self.at, inputs):
            leaves[i] = t
        args, kwargs = tree_unflatten(leaves, self.spec)
        result = self.process(self.op.gradcheck_wrapper(self.op.op, *args, **kwargs))
        outs = tuple(t for t in opinfo.tensors(result) if t.requires_grad or not torch.is_grad_enabled())
        return outs[0] if len(outs) == 1 else outs

    def gradients(self):
        """Of all inputs in one direction."""
        opinfo.seed(7)
        inputs = self.inputs()
        outs = self(*inputs)
        outs = [outs] if isinstance(outs, torch.Tensor) else list(outs)
        if not outs:
            return None
        directions = [
            torch.linspace(0.5, 1.5, t.numel(), dtype=torch.float64, device=t.device).to(t.dtype).view(t.shape) for t in outs
        ]
        return torch.autograd.grad(outs, inputs, directions, allow_unused=True)

    def check(self, second: bool) -> None:
        """An exception says what is wrong."""
        how = {"nondet_tol": self.op.gradcheck_nondet_tol, "fast_mode": self.op.gradcheck_fast_mode is not False}
        opinfo.seed(7)
        gradcheck(self, self.inputs(), check_batched_grad=False, **how)
        if second:
            gradgradcheck(self, self.inputs(), gen_non_contig_grad_outputs=True, **how)


def gradients_of(op, device) -> list[Gradient]:
    if not op.supports_autograd or torch.float64 not in op.supported_backward_dtypes(device):
        return []
    found = []
    for i, s in enumerate(opinfo.samples(op, device, torch.float64, requires_grad=True)):
        leaves, spec = tree_flatten(((s.input, *s.args), s.kwargs))
        at = [k for k, t in enumerate(leaves) if isinstance(t, torch.Tensor) and t.requires_grad]
        if at and sum(leaves[k].numel() for k in at) <= LARGEST and all(leaves[k].layout == torch.strided for k in at):
            found.append(Gradient(op, f"{i} {s.summary()[:160]}", leaves, spec, at, s.output_process_fn_grad))
    return found


def failure(g: Gradient, second: bool) -> tuple[str | None, tuple[str, ...]]:
    """(what is wrong or None, rows of ours that ran)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        want = _attempt(g.gradients)
        flag_gems.enable()
        try:
            flag_gems.reset_stats()
            got = _attempt(g.gradients)
            rows = tuple(s.key for s in flag_gems.stats() if s.own_calls)
            if not rows:
                return None, ()
            wrong = _difference(got, want)
            if wrong is None and isinstance(got, tuple):
                wrong = _attempt(g.check, second)
        finally:
            flag_gems.disable()
        if isinstance(
            wrong, Exception
        ):  # gradcheck: of our kernels only where the native ones pass (kinks, numbers that differ too fast)
            native = _attempt(g.check, second)
            wrong = None if isinstance(native, Exception) else f"gradcheck: {wrong}"
        return wrong, rows


def _attempt(f, *args):
    try:
        return f(*args)
    except Exception as e:
        return e


def _difference(got, want) -> str | None:
    if not isinstance(got, tuple) or not isinstance(want, tuple):
        return None if type(got) is type(want) else f"{got!r:.200}, native: {want!r:.200}"
    for g, w in zip(got, want):
        if (g is None) != (w is None):
            return f"{g!r:.100}, native {w!r:.100}"
        if g is not None:
            try:
                torch.testing.assert_close(g, w, equal_nan=True, **TOLERANCE)
            except AssertionError as e:
                return str(e)
    return None
