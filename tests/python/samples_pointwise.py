"""Samples of pointwise operators whose arguments depend on each other: halves, losses, what a gradient takes from the forward call."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from samples import SHAPE, Sample, Values, place, pointwise


def log_sigmoid_backward(case, v: Values) -> Iterator[Sample]:
    """The third tensor is the forward call's second result: empty on a GPU."""
    for s in pointwise(case, v):
        x = s.args[1]
        buffer = torch.empty(0, dtype=x.dtype, device=v.device)
        if v.device == "cpu" and x.is_floating_point():
            buffer = torch.exp(-x.abs().double()).to(x.dtype)
        s.args[2] = buffer
        yield s


def halves(case, v: Values) -> Iterator[Sample]:
    """glu: dimensions of even size."""
    for layout in ("contiguous", "transposed", "sliced", "offset", "permuted"):
        for dim in (-1, 0, 1):
            yield Sample(f"{layout} dim={dim}", [v((6, 4, 38), layout), dim])
    yield Sample("row", [v((2,)), 0])
    yield Sample("large", [v((3, 70002)), 1])
    yield Sample("empty", [v((0, 4)), 1])
    yield Sample("odd", [v((3, 5)), 1])
    yield Sample("0-d", [v(())])
    if v.dtype.is_floating_point:
        special = torch.tensor([float("nan"), float("inf"), -float("inf"), 0.0, 3e38, -3e38], dtype=torch.float64)
        yield Sample("special", [place(torch.cartesian_prod(special, special).to(v.dtype), v.device), 1], special=True)


def loss(case, v: Values) -> Iterator[Sample]:
    """Each reduction on several layouts, beside what every pointwise operator is given with reduction=0."""
    asserts = case.root == "binary_cross_entropy" and v.device != "cpu"  # a number outside of [0, 1] ends the process there
    yield from (s for s in pointwise(case, v) if not (asserts and s.special))
    numbers = [a.name for a in case.arguments[2:] if a.name in ("beta", "delta")]
    optional = [None] if case.root == "binary_cross_entropy" else []
    for reduction, name in ((1, "mean"), (2, "sum")):
        for layout in ("contiguous", "transposed", "sliced"):
            args = [v(SHAPE, layout), v(SHAPE, "contiguous"), *optional, reduction, *[0.7 for _ in numbers]]
            yield Sample(f"{name} {layout}", args)
        yield Sample(f"{name} broadcast", [v(SHAPE), v(SHAPE[-1:]), *optional, reduction, *[0.7 for _ in numbers]])
        yield Sample(f"{name} 0-d", [v(()), v(()), *optional, reduction, *[0.7 for _ in numbers]])
        yield Sample(f"{name} empty", [v((0, 3)), v((0, 3)), *optional, reduction, *[0.7 for _ in numbers]])
    if case.root == "binary_cross_entropy":
        yield Sample("weight", [v(SHAPE), v(SHAPE), v(SHAPE[-1:]), 1])
        x = v((4, 700))
        if v.dtype.is_floating_point and not asserts:
            x[3, 600] = 1.5
            yield Sample("out of range", [x, v((4, 700)), None, 1])
        if v.dtype.is_floating_point:
            ends = torch.tensor([0.0, 1.0, 0.0, 1.0, 0.5]).to(v.dtype).to(v.device)
            yield Sample("ends", [ends, ends.flip(0).clone(), None, 0])
    if case.root == "smooth_l1_loss":
        yield Sample("beta 0", [v(SHAPE), v(SHAPE), 1, 0.0])


MAKERS = {
    "log_sigmoid_backward": log_sigmoid_backward,
    "glu": halves,
    **{name: loss for name in ("mse_loss", "smooth_l1_loss", "huber_loss", "soft_margin_loss", "binary_cross_entropy")},
}
