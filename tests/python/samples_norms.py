"""Samples of batch, group and weight norm. Names with "left" are calls that stay with the native kernel."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import torch
from samples import Sample, Values, place

BIG = (2, 8, 96, 100)  # elements enough for what is left alone in small


def _params(v: Values, n, dtype=None):
    w, b, m, s = (v((n,), dtype=dtype) for _ in range(4))
    return w, b, m, s.abs() + 0.5 if s.dtype.is_floating_point else s


def _shapes():
    yield "planes", (3, 5, 20, 20)
    yield "big planes", BIG
    yield "short planes", (7, 300, 5, 13)
    yield "lines", (4, 6, 270)
    yield "volumes", (2, 3, 6, 7, 8)
    yield "left: 2-d", (9, 20)


def batch_norm(case, v: Values) -> Iterator[Sample]:
    names = [a.name for a in case.arguments]
    for (what, shape), given in itertools.product(_shapes(), ("all", "no weight", "nothing")):
        if what.startswith("left") and given != "all":
            continue
        for mixed in (False, True) if v.dtype in (torch.bfloat16, torch.float16) else (False,):
            w, b, m, s = _params(v, shape[1], torch.float32 if mixed else None)
            if given != "all":
                w = b = None
            for train in (True, False) if "training" in names else (None,):
                if given == "nothing" and not (
                    "running_mean" not in names or (train and "Optional" in str(case.arguments[3].type))
                ):
                    continue
                if train is False and "running_mean" not in names:
                    continue
                args = [v(shape), w, b]
                if "running_mean" in names:
                    args += [None, None] if given == "nothing" else [m, s]
                left = what if train is not False or what == "big planes" or what.startswith("left") else f"left: {what}"
                yield Sample(f"{left} {given} train={train}{' mixed' if mixed else ''}", [*args, *([] if train is None else [train]), 0.1, 1e-5])  # fmt: skip
    w, b, m, s = _params(v, 6)
    x = v((4, 6, 5, 33))
    for layout, y in (
        ("channels last", x.to(memory_format=torch.channels_last)),
        ("transposed", v((4, 6, 33, 5)).transpose(2, 3)),
    ):
        yield Sample(f"left: {layout}", [y, w, b, *([m, s] if "running_mean" in names else []), *([True] if "training" in names else []), 0.1, 1e-5])  # fmt: skip


def batch_norm_backward(case, v: Values) -> Iterator[Sample]:
    for what, shape in (
        ("planes", BIG),
        ("short planes", (7, 500, 5, 13 * 3)),
        ("left: few", (3, 5, 20, 20)),
        ("left: 2-d", (9, 20)),
    ):
        for train, weight in itertools.product((True, False), (True, False)):
            if not weight and case.base == "batch_norm_backward":
                continue
            x, grad = v(shape), v(shape)
            w, _, m, s = _params(v, shape[1])
            mean, inv = x.float().transpose(0, 1).flatten(1).mean(1), 1 / x.float().transpose(0, 1).flatten(1).std(1)
            for mask in ([True, True, True], [True, False, False], [False, True, True]):
                more = [torch.empty(0, dtype=torch.uint8)] if case.base == "batch_norm_backward" else []
                yield Sample(f"{what} train={train} weight={weight} {mask}",
                             [grad, x, w if weight else None, m, s, mean.to(v.dtype), inv.to(v.dtype), train, 1e-5, mask, *more])  # fmt: skip


def group_norm(case, v: Values) -> Iterator[Sample]:
    backward = case.base.endswith("backward")
    for what, shape, groups in (("planes", BIG, 2), ("one group", BIG, 1), ("a group a channel", BIG, 8), ("lines", (3, 30, 1500), 5),
                                ("left: few", (3, 6, 20, 20), 3), ("left: short", (9, 400, 50), 4)):  # fmt: skip
        n, c, hw = shape[0], shape[1], torch.Size(shape[2:]).numel()
        for given in (True, False):
            x = v(shape)
            w, b = (v((c,)), v((c,))) if given else (None, None)
            if not backward:
                yield Sample(f"{what} {given}", [x, w, b, n, c, hw, groups, 1e-5])
                continue
            rows = x.float().reshape(n, groups, -1)
            mean, inv = rows.mean(-1).to(v.dtype), (1 / rows.std(-1)).to(v.dtype)
            for mask in ([True, True, True], [True, False, False], [False, True, True]):
                if given or not mask[1]:
                    yield Sample(f"{what} {given} {mask}", [v(shape), x, mean, inv, w, n, c, hw, groups, mask])


def weight_norm(case, v: Values) -> Iterator[Sample]:
    backward = case.base.endswith("backward")
    for shape, dim in (((33, 5, 7), 0), ((64, 1031), 0), ((1100, 1031), 0), ((1100, 1031), 1), ((300, 4, 900), 2), ((5, 33), 1)):
        left = "" if shape[0] * shape[-1] > 200000 else "small last " if dim else "small "
        x = v(shape)
        size = [n if d == dim else 1 for d, n in enumerate(shape)]
        g = v(size)
        if not backward:
            yield Sample(f"{left}{shape} {dim}", [x, g, dim])
            continue
        norms = x.float().norm(2, [d for d in range(len(shape)) if d != dim], keepdim=True)
        yield Sample(f"{left}{shape} {dim}", [v(shape), x, g, norms if v.dtype.itemsize == 2 else norms.to(v.dtype), dim])


def safe_softmax(case, v: Values) -> Iterator[Sample]:
    for shape, dim, layout in itertools.product(((5, 33), (3, 4, 65)), (0, -1), ("contiguous", "transposed", "sliced")):
        yield Sample(f"{shape} {dim} {layout}", [v(shape, layout), dim])
    yield Sample("0-d", [v(()), 0])
    yield Sample("long", [v((3, 70001)), 1])
    if v.dtype.is_floating_point:
        x = v((6, 40))
        x[1] = -float("inf")
        x[2, 3] = float("nan")
        x[3, :20] = -float("inf")
        x[4, 7] = float("inf")
        yield Sample("special", [x, -1], special=True)
        yield Sample("special columns", [x, 0], special=True)
        yield Sample("in float", [v((5, 33)), 1, torch.float32])


def nll_loss(case, v: Values) -> Iterator[Sample]:
    planes, backward = "2d" in case.base, case.base.endswith("backward")
    shapes = [(5, 7, 3, 4), (2, 3, 40, 50), (3, 5, 1, 1)] if planes else [(9, 7), (3000, 11), (1, 5), (7,)]
    generator = torch.Generator().manual_seed(1)
    for shape, weighted, reduction, ignored in itertools.product(shapes, (False, True), (1, 0, 2), (-100, 2)):
        x = v(shape)
        classes = shape[1] if len(shape) > 1 else shape[0]
        at = [n for d, n in enumerate(shape) if d != (1 if len(shape) > 1 else 0)]
        target = place(torch.randint(classes, at, generator=generator), v.device)
        w = v((classes,)).abs() + (0.5 if v.dtype.is_floating_point else 1) if weighted and v.dtype != torch.bool else None
        name = f"{shape} {weighted} {reduction} {ignored}"
        if not backward:
            yield Sample(name, [x, target, w, reduction, ignored])
            continue
        grad = v(at) if reduction == 0 else v(())
        yield Sample(name, [grad, x, target, w, reduction, ignored, (v(()).abs() + 2 if v.dtype != torch.bool else v(()))])
    x = v(shapes[0])
    at = [n for d, n in enumerate(shapes[0]) if d != 1]
    if not backward:
        wrong = place(torch.randint(7, at, generator=generator), v.device)
        wrong.view(-1)[3] = 7
        if v.device == "cpu":  # an assertion on a GPU
            yield Sample("left: out of range", [x, wrong, None, 1, -100])
        yield Sample("left: transposed", [v(shapes[0], "transposed"), wrong.clamp(0, 6), None, 1, -100])
    yield from ()


MAKERS = {
    "nll_loss_forward": nll_loss, "nll_loss2d_forward": nll_loss, "nll_loss_backward": nll_loss, "nll_loss2d_backward": nll_loss,
    "native_batch_norm": batch_norm, "_native_batch_norm_legit": batch_norm, "_batch_norm_with_update": batch_norm,
    "native_batch_norm_backward": batch_norm_backward, "batch_norm_backward": batch_norm_backward,
    "native_group_norm": group_norm, "native_group_norm_backward": group_norm,
    "_weight_norm_interface": weight_norm, "_weight_norm_interface_backward": weight_norm, "_safe_softmax": safe_softmax,
}  # fmt: skip
