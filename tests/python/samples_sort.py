"""Sample arguments of the sort family: ties, NaN, both zeros, infinities, ends of the range, layouts, short, long and many lines."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from samples import Sample, Values, place, specials

SHAPES = [((7, 3, 37), 1), ((7, 3, 37), -1), ((20, 33), 0), ((), 0), ((1,), 0), ((3, 5000), 1), ((0, 3), 1), ((4, 0), 0)]


def _special(v: Values, nan=True) -> torch.Tensor:
    """Rows in which special values meet each other and themselves."""
    values = [x for x in specials(v.dtype) if nan or x == x]
    t = torch.tensor(values, dtype=torch.float64 if v.dtype.is_floating_point else torch.int64).to(v.dtype)
    order = torch.randperm(4 * len(t), generator=v.generator)
    return place(torch.stack([t.repeat(4)[order], t.repeat(4)[order.flip(0)]]), v.device)


def _inputs(case, v: Values, nan=True) -> Iterator[tuple[str, torch.Tensor, int]]:
    for shape, dim in SHAPES:
        for layout in ("contiguous", "transposed", "sliced") if shape else ("contiguous",):
            yield f"{shape} dim={dim} {layout}", v(shape, layout), dim
    yield "long", v((1, 200003)), 1
    yield "special", _special(v, nan), 1
    yield "constant", torch.ones_like(v((2, 700))), 1


def along(case, v: Values) -> Iterator[Sample]:
    """Operators along a dimension; k, flags by their schema."""
    names = [a.name for a in case.arguments]
    nan = case.base != "mode"  # where torch's NaN stand among each other is undefined there
    for name, x, dim in _inputs(case, v, nan):
        n = x.shape[dim] if x.dim() else 1
        if case.base.endswith("_helper"):
            if x.numel() == 0 or x.dim() == 0 or dim < 0:
                continue  # its callers don't ask for these: the native helper writes beyond its outputs
            yield Sample(name, [x, torch.empty_like(x, memory_format=torch.contiguous_format),
                                torch.empty(x.shape, dtype=torch.int64, device=x.device), dim])  # fmt: skip
            continue
        for k in sorted({1, min(2, n), (n + 1) // 2, n} if "k" in names else {0}):
            for flag in (False, True):
                args = [{"self": x, "k": k, "dim": dim, "descending": flag, "largest": flag, "keepdim": flag, "sorted": True}.get(a)
                        for a in names if a != "stable"]  # fmt: skip
                if "stable" in names:
                    yield Sample(f"{name} {flag}", [x], {"stable": True, "dim": dim, "descending": flag})
                else:
                    yield Sample(f"{name} k={k} {flag}", args)
                if args[-1] == dim and "dim" == names[-1]:
                    break
    if case.base == "topk":
        yield Sample("nothing wanted", [v((3, 5)), 0])
        yield Sample("more than there is", [v((3, 5)), 6])


def whole(case, v: Values) -> Iterator[Sample]:
    """One tensor, nothing else: medians of all elements."""
    for name, x, dim in _inputs(case, v):
        if dim >= 0:
            yield Sample(name, [x])


def unique(case, v: Values) -> Iterator[Sample]:
    consecutive = case.base == "unique_consecutive"
    for name, x, dim in _inputs(case, v, nan=False):
        for inverse, counts in ((False, False), (True, False), (False, True), (True, True)):
            if dim >= 0:
                flags = [inverse, counts][: 1 if case.base == "_unique" else 2]
                yield Sample(f"{name} {inverse} {counts}", [x, *([] if consecutive else [True]), *flags])
    wide = torch.randint(-(2**62), 2**62, (40000,), generator=v.generator)
    wide = wide.repeat(4)[torch.randperm(160000, generator=v.generator)]  # no table by key
    yield Sample(
        "wide", [place(wide.to(v.dtype), v.device), *([] if consecutive else [True]), True, *([True] * (case.base != "_unique"))]
    )
    if v.dtype.is_floating_point:
        yield Sample("NaN", [_special(v), *([] if consecutive else [True]), False])


def isin(case, v: Values) -> Iterator[Sample]:
    spread = Values(v.dtype, v.device, *((-3e4, 3e4) if v.dtype.is_floating_point or v.dtype.itemsize > 2 else (0, 100)))
    wide = [(torch.randint(-(2**62), 2**62, (n,), generator=v.generator) >> 2).to(v.dtype) for n in (3000, 900)]
    wide[1][::3] = wide[0][:300]
    pairs = [("near", v((7, 3, 37)), v((5,))), ("transposed", v((9, 33), "transposed"), v((3, 2))), ("0-d", v(()), v(())),
             ("spread", spread((300, 7)), spread((900,))), ("special", _special(v), _special(v)[:, ::3].contiguous()), ("one", v((4000,)), v(())),
             ("wide", *(place(w, v.device) for w in wide)), ("nothing", v((0, 4)), v((3,)))]  # fmt: skip
    for name, x, tests in pairs:
        for invert in (False, True):
            first = 2 if case.key.startswith("isin.Scalar") else x
            yield Sample(f"{name} {invert}", [first, tests], {"assume_unique": False, "invert": invert})


def searchsorted(case, v: Values) -> Iterator[Sample]:
    search = case.base == "searchsorted"
    number = "Scalar" in case.key
    bounds = [("short", v((9,)).sort().values, v((6, 7))), ("long", v((5000,)).sort().values, v((3, 700), "transposed")),
              ("one", v((1,)), v(())), ("special", _special(v)[0].sort().values, _special(v)), ("unsorted", v((65,)), v((300,)))]  # fmt: skip
    if search and not number:
        bounds.append(("rows", v((4, 3, 33)).sort(-1).values, v((4, 3, 70))))
    for name, b, x in bounds:
        for right in (False, True):
            for narrow in (False, True):
                pair = [b, 2 if number else x]
                kwargs = {"out_int32": narrow, "right": right}
                yield Sample(f"{name} {right} {narrow}", pair if search else pair[::-1], kwargs)
    if search:
        for side in ("left", "right"):
            yield Sample(f"side {side}", [bounds[0][1], 1 if number else bounds[0][2]], {"side": side})
        b = v((4, 33)) if not number else v((33,))
        sorter = b.argsort(-1)
        yield Sample("sorter", [b, 1 if number else v((4, 9))], {"sorter": sorter})


def bincount(case, v: Values) -> Iterator[Sample]:
    hi = 100 if v.dtype.itemsize == 1 else 3000
    for n in (1, 700, 90000):
        x = place(torch.randint(0, hi, (n,), generator=v.generator).to(v.dtype), v.device)
        yield Sample(f"{n}", [x])
        yield Sample(f"{n} minlength", [x], {"minlength": 5000})
        for dtype in (torch.float32, torch.float64):
            yield Sample(f"{n} {dtype}", [x, v((n,), dtype=dtype)])
    yield Sample("empty", [v((0,))])
    if v.dtype in (torch.int64, torch.int8):
        yield Sample("negative", [place(torch.tensor([1, -1, 3]).to(v.dtype), v.device)])


def histc(case, v: Values) -> Iterator[Sample]:
    for shape, layout in (
        ((7, 3, 37), "contiguous"),
        ((9, 33), "transposed"),
        ((), "contiguous"),
        ((90000,), "contiguous"),
        ((0,), "contiguous"),
    ):
        for args in ([], [7], [10, -1, 2], [1000, 0, 0], [5, 3, 3]):
            yield Sample(f"{shape} {layout} {args}", [v(shape, layout), *args])
    if v.dtype.is_floating_point:
        yield Sample("special", [_special(v), 10, -1, 1])


MAKERS = {
    **dict.fromkeys(("sort", "topk", "kthvalue", "mode", "cummax", "cummin", "_cummax_helper", "_cummin_helper"), along),
    **dict.fromkeys(("_unique2", "_unique", "unique_consecutive"), unique),
    "isin": isin, "searchsorted": searchsorted, "bucketize": searchsorted, "bincount": bincount, "histc": histc,
}  # fmt: skip


def maker(case):
    if case.base in ("median", "nanmedian"):
        return along if "dim" in [a.name for a in case.arguments] else whole
    return MAKERS.get(case.base)
