"""Sample arguments for every served overload, made from its schema; operators with rules of their own have a maker here.

A sample is (name, args, kwargs) without out= arguments. Values lie in the range that the declaration states.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

FLOATS = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
INTS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)
DTYPES = (*FLOATS, *INTS, torch.bool)

_ROOT = Path(__file__).resolve().parents[2]


@dataclasses.dataclass
class Sample:
    name: str
    args: list
    kwargs: dict = dataclasses.field(default_factory=dict)
    special: bool = False  # NaN, infinities, ends of the range


@functools.cache
def declaration(op: str) -> str:
    """Text of the file that declares the operator."""
    found = list(_ROOT.glob(f"ops/*/{op}.op.h"))
    return found[0].read_text() if found else ""


def compute_types(op: str) -> str:
    """The types that the declaration computes in: f float, d double, l and i integers, b bool."""
    found = re.search(r'\.types\s*=\s*"([^"]*)"', declaration(op))
    return found[1] if found else "fd"


@functools.cache
def sample_range(op: str) -> tuple[float, float]:
    """The values that the declaration asks for."""
    found = re.search(r"\.samples\s*=\s*\{([^,}]+),([^}]+)\}", declaration(op))
    return (float(found[1]), float(found[2])) if found else (-4.0, 4.0)


class Values:
    """Makes tensors of one dtype with values in a range; the same for the same seed."""

    def __init__(self, dtype: torch.dtype, device: str, lo: float = -4.0, hi: float = 4.0, seed: int = 0):
        self.dtype, self.device, self.lo, self.hi = dtype, device, lo, hi
        self.generator = torch.Generator().manual_seed(seed)

    def dense(self, shape, dtype=None, nonzero=False) -> torch.Tensor:
        dtype = dtype or self.dtype
        if dtype == torch.bool:
            t = torch.randint(0, 2, shape, generator=self.generator).bool()
            return torch.ones_like(t) if nonzero else t
        if dtype.is_floating_point:
            t = torch.rand(shape, generator=self.generator, dtype=torch.float64) * (self.hi - self.lo) + self.lo
            return t.to(dtype)
        if dtype.is_complex:
            return torch.randn(shape, generator=self.generator, dtype=dtype)
        lo = 0 if dtype == torch.uint8 else int(self.lo)
        t = torch.randint(lo, max(int(self.hi), lo + 2) + 1, shape, generator=self.generator)
        if nonzero:
            t = torch.where(t == 0, torch.ones_like(t), t)
        return t.to(dtype)

    def __call__(self, shape, layout="contiguous", dtype=None, nonzero=False) -> torch.Tensor:
        return place(LAYOUTS[layout](lambda s: self.dense(s, dtype, nonzero), tuple(shape)), self.device)


def _transposed(make, shape):
    return make(tuple(reversed(shape))).permute(tuple(reversed(range(len(shape)))))


def _sliced(make, shape):
    if not shape:
        return make((3,))[1]
    big = make((*shape[:-1], 2 * shape[-1] + 1))
    return big[..., 1::2]


def _offset(make, shape):
    """Dense, but not where a vector load would like it to begin."""
    n = torch.Size(shape).numel()
    return make((n + 1,))[1:].view(shape)


def _expanded(make, shape):
    return make((1, *shape[1:])).expand(shape) if shape else make(shape)


def _permuted(make, shape):
    """Dimensions rotated: neither row- nor column-major."""
    if len(shape) < 3:
        return _transposed(make, shape)
    return make((*shape[1:], shape[0])).permute(len(shape) - 1, *range(len(shape) - 1))


LAYOUTS: dict[str, Callable] = {
    "contiguous": lambda make, shape: make(shape),
    "transposed": _transposed,
    "sliced": _sliced,
    "offset": _offset,
    "expanded": _expanded,
    "permuted": _permuted,
}


def place(t: torch.Tensor, device: str) -> torch.Tensor:
    """A copy on the device with the same layout: strides, offset and what lies between the elements."""
    storage = t.untyped_storage()
    flat = torch.empty(0, dtype=torch.uint8, device=t.device).set_(storage, 0, (storage.nbytes(),)).clone().to(device)
    return torch.empty(0, dtype=t.dtype, device=device).set_(flat.untyped_storage(), t.storage_offset(), t.size(), t.stride())


def copy_args(value):
    if isinstance(value, torch.Tensor):
        return place(value, value.device.type)
    if isinstance(value, (list, tuple)):
        return type(value)(copy_args(v) for v in value)
    if isinstance(value, dict):
        return {k: copy_args(v) for k, v in value.items()}
    return value


def specials(dtype: torch.dtype, ends: bool = True) -> list[float]:
    """NaN, infinities, zeros and some numbers; with ``ends`` also the largest and smallest."""
    if dtype.is_floating_point and not ends:
        return [float("nan"), float("inf"), -float("inf"), 0.0, -0.0, 1.0, -1.0, 0.5, 2.5]
    if dtype.is_floating_point:
        info = torch.finfo(dtype)
        return [
            float("nan"),
            float("inf"),
            -float("inf"),
            0.0,
            -0.0,
            1.0,
            -1.0,
            info.max,
            info.min,
            info.tiny,
            info.tiny / 4,
            0.5,
            2.5,
        ]
    if dtype == torch.bool:
        return [0, 1]
    info = torch.iinfo(dtype)
    return [info.min, info.max, 0, 1, info.max - 1]


# ---- makers by operator: f(case, values) -> Iterator[Sample]


def _promotions(dtype):
    """Other dtypes that a second operand of a promoting operator may have."""
    ring = {
        torch.float32: (torch.float16, torch.int32, torch.float64),
        torch.bfloat16: (torch.float16, torch.float32, torch.uint8),
        torch.float16: (torch.float32, torch.bool),
        torch.float64: (torch.bfloat16, torch.int64),
        torch.int64: (torch.float32, torch.int8),
        torch.int32: (torch.uint8, torch.float16),
        torch.int16: (torch.uint8, torch.int64),
        torch.int8: (torch.uint8, torch.bool),
        torch.uint8: (torch.int8, torch.bfloat16),
        torch.bool: (torch.int32, torch.float16),
    }
    return ring[dtype]


def far_numbers(dtype) -> list:
    """Numbers that a tensor's dtype can't hold: some operators wrap or round them, some refuse."""
    return {
        torch.uint8: [-1, 300],
        torch.int8: [300],
        torch.int16: [70000],
        torch.int32: [2**33 + 5],
        torch.float16: [1e6],
    }.get(dtype, [])


def _far_operands(dtype):
    """(dtype, values, 0-d only) of a second operand whose values change when they are converted to the common dtype."""
    return {
        torch.uint8: [(torch.int8, [-3], True), (torch.int64, [300], True)],
        torch.int8: [(torch.uint8, [200], True), (torch.int64, [300], True)],
        torch.int16: [(torch.int32, [70007], True)],
        torch.int32: [(torch.int64, [2**33 + 5], True)],
        torch.bfloat16: [(torch.float32, [1.00390626], True), (torch.int32, [257, 1001, -515, 70001], False)],
        torch.float16: [(torch.float64, [1.0007], True), (torch.int64, [4097, 2049, -5001, 70001], False)],
        torch.float32: [(torch.float64, [1 + 2.0**-30], True), (torch.int64, [2**24 + 1, -(2**30) - 1], False)],
    }.get(dtype, [])


SHAPE = (7, 3, 37)


def pointwise(case, v: Values) -> Iterator[Sample]:
    """Tensors and numbers as the schema has them. All layouts for the first operand, mixed for the others."""
    kinds = case.operands  # [(name, "tensor" | "number" | "flag", index)]
    tensors = [k for k in kinds if k.tensor]
    inplace = case.inplace

    def make(name, shapes, layouts, dtypes=None, special=None, values=None, **numbers):
        args, kwargs = [], {}
        shapes, layouts = itertools.cycle(shapes), itertools.cycle(layouts)
        dtypes = itertools.cycle(dtypes or (v.dtype,))
        for k in kinds:
            if k.tensor:
                shape, layout, dtype = next(shapes), next(layouts), next(dtypes)
                if k.name in ("condition", "mask"):
                    dtype = torch.bool
                if k.name == "value":  # masked_fill.Tensor
                    shape = ()
                value = v(shape, layout, dtype, nonzero=case.divides and k.index > 0 and not dtype.is_floating_point)
                if values and dtype == values[0]:
                    n = value.numel()
                    value = place(torch.tensor(values[1] * n)[:n].to(dtype).view(value.shape), v.device)
                if special:
                    value = place(special(case, dtype, k.index, len(tensors), v.device), v.device)
                    if k.name == "value":
                        value = value.flatten()[0]
            else:
                value = numbers.get(k.name, case.number(k, v.dtype))
            if k.kwarg:
                kwargs[k.name] = value
            else:
                args.append(value)
        return Sample(name, args, kwargs, special is not None)

    for layout in ("contiguous", "transposed", "sliced", "offset", "permuted"):
        yield make(layout, [SHAPE], [layout])
    if case.op == "gelu_backward":  # torch's own kernel breaks when the operands differ in shape or dtype
        tensors = tensors[:1]
    if len(tensors) > 1:
        yield make("mixed layouts", [SHAPE], ["transposed", "contiguous", "sliced"])
        yield make("broadcast row", [SHAPE, SHAPE[-1:], (1,)], ["contiguous"])
        yield make("broadcast middle", [SHAPE, (7, 1, 37), (3, 1)], ["contiguous"])
        yield make("0-d second", [SHAPE, (), SHAPE], ["contiguous"])
        if not inplace:
            yield make("broadcast both", [(7, 1, 37), (3, 1), (1, 37)], ["contiguous"])
            yield make("0-d first", [(), SHAPE, ()], ["contiguous"])
            yield make("expanded", [SHAPE], ["expanded"])
        for other in _promotions(v.dtype):
            yield make(f"with {str(other)[6:]}", [SHAPE], ["contiguous"], [v.dtype, other])
            if not inplace:
                yield make(f"with 0-d {str(other)[6:]}", [SHAPE, ()], ["contiguous"], [v.dtype, other])
        for other, values, zero_d in _far_operands(v.dtype):
            name = str(other)[6:]
            yield make(f"with 0-d far {name}", [SHAPE, ()], ["contiguous"], [v.dtype, other], values=(other, values))
            if not zero_d:
                yield make(f"with far {name}", [SHAPE], ["contiguous"], [v.dtype, other], values=(other, values))
                yield make(
                    f"with far {name} transposed", [SHAPE], ["contiguous", "transposed"], [v.dtype, other], values=(other, values)
                )
    elif not inplace:
        yield make("expanded", [SHAPE], ["expanded"])
    for name in case.numbers:
        for value in case.number_choices(name, v.dtype, v.device):
            yield make(f"{name}={value}", [SHAPE], ["contiguous"], **{name: value})
    yield make("0-d", [()], ["contiguous"])
    yield make("empty", [(4, 0)], ["contiguous"])
    yield make("one", [(1,)], ["contiguous"])
    yield make("large", [(3, 70001)], ["contiguous"])
    yield make("special", [()], ["contiguous"], special=_special_grid)
    if v.dtype in INTS and case.op in ("div_mode", "floor_divide", "remainder", "fmod", "pow", "pow_tensor_scalar"):
        yield make("special integers", [()], ["contiguous"], special=_integer_grid)
        if case.op == "div_mode":
            yield make("special integers trunc", [()], ["contiguous"], special=_trunc_grid, rounding_mode="trunc")


def _integer_grid(case, dtype, index, count, device, minus_one=True):
    """Dividends and divisors, bases and exponents: signs, ends of the range, what squaring does in one and in many steps."""
    info = torch.iinfo(dtype)
    values = [info.min, info.min + 1, info.max, *range(-3, 4), 7, 62, 63, 64, 65, 100, info.max - 1, info.max // 3]
    if dtype == torch.int64:
        values += [2**51, 2**51 - 1, -(2**51), 2**53 + 1, 2**31, -(2**31)]
    if case.divides and index > 0:
        values = [x for x in values if x != 0]
    if not minus_one and index > 0:
        values = [x for x in values if x != -1]
    values = [x for x in values if info.min <= x <= info.max]
    t = torch.tensor(values).to(dtype)
    return t.view([len(t) if d == index % count else 1 for d in range(count)])


def _trunc_grid(case, dtype, index, count, device):
    """The smallest number by -1 stops torch's own kernel on CPUs, and the process with it: test_integers.py has it."""
    return _integer_grid(case, dtype, index, count, device, device != "cpu")


def _special_grid(case, dtype, index, count, device):
    """Special values; operand k varies along dimension k, so that all meet all."""
    values = specials(dtype)
    if case.divides and index > 0 and device != "cpu" and not dtype.is_floating_point:
        values = [x for x in values if x != 0]  # not an error there, but any value
    if case.op in ("gcd", "lcm"):
        values = [
            x for x in values if x >= 0 or dtype == torch.bool
        ]  # native divides the smallest number by -1, and the process ends
    if case.op == "remainder" and dtype.is_floating_point:
        values = [x for x in values if not 0 < abs(x) < torch.finfo(dtype).tiny]  # torch's vectorised kernel says NaN there
    t = torch.tensor(values, dtype=torch.float64 if dtype.is_floating_point else torch.int64).to(dtype)
    shape = [1] * count
    if count > 1:
        shape[index % count] = len(t)
        alike = case.root.endswith(("_loss", "_loss_backward"))  # losses broadcast natively
        return t.view(shape).expand([len(t)] * count).contiguous() if alike else t.view(shape)
    return t.repeat(5)


def reduce(case, v: Values) -> Iterator[Sample]:
    """Dimensions in every position, kept and dropped, as far as the schema has them."""
    names = {a.name: a for a in case.arguments}
    shapes = [("3-d", (5, 33, 17)), ("row", (1, 1031)), ("column", (1031, 3))]
    if case.op == "prod":  # longer products overflow, or nearly
        shapes = [("3-d", (5, 33, 17)), ("row", (1, 103)), ("column", (103, 3))]
    layouts = ["contiguous", "transposed", "sliced", "permuted", "expanded"]

    def finish(name, x, **kw):
        kwargs = {}
        args = [x]
        for a in case.arguments[1:]:
            if a.name == "ord" and "dim" in kw:
                kw.setdefault("ord", 2)
            if a.name not in kw:
                continue
            if a.kwarg_only:
                kwargs[a.name] = kw[a.name]
            else:
                args.append(kw[a.name])
        return Sample(name, args, kwargs, kw.get("special", False))

    dims: list = [None]
    if "dim" in names:
        kind = str(names["dim"].type)
        if "List" in kind:
            dims = [[0], [-1], [1], [0, 1], [0, 2], [0, 1, 2]]
            if kind.startswith("Optional"):
                dims.append(None)
            else:
                dims.append([])
        elif kind.startswith("Optional"):
            dims = [None, 0, 1, -1]
        else:
            dims = [0, 1, -1]
    for dim in dims:
        for keep in (False, True) if "keepdim" in names else (None,):
            kw = {} if dim is None and "dim" not in names else {"dim": dim}
            if keep is not None:
                kw["keepdim"] = keep
            yield finish(f"dim={dim} keep={keep}", v((5, 33, 17)), **kw)
    first = {} if "dim" not in names else {"dim": dims[0]}
    last = {} if "dim" not in names else {"dim": dims[1]}
    for (what, shape), layout in itertools.product(shapes, layouts):
        for kw in (first, last):
            if what != "3-d" and any(isinstance(d, list) and len(d) > 2 for d in kw.values()):
                continue
            yield finish(f"{what} {layout} {kw}", v(shape, layout), **kw)
    if "dtype" in names:
        for dtype in (torch.float64, torch.float32, torch.int64):
            if v.dtype.is_floating_point and not dtype.is_floating_point:
                continue
            yield finish(f"dtype={dtype}", v((4, 9)), dtype=dtype, **first)
    yield finish("0-d", v(()), **({} if not first else {"dim": [] if isinstance(dims[0], list) else 0}))
    yield finish("one", v((1, 1)), **first)
    yield finish("no rows", v((0, 4)), **last)
    yield finish("empty rows", v((4, 0)), **last)
    yield finish("large", v((300, 701)), **first)
    yield finish("long", v((3, 66000)), **last)
    for name in {"ord", "correction"} & set(names):
        for value in (0, 1, 2, 3, 0.5, -1.5, float("inf"), -float("inf")) if name == "ord" else (None, 0, 1, 2.5, 9, 40):
            for shape in ((5, 33), (9, 5, 7)):
                yield finish(f"{name}={value} {shape}", v(shape), dim=[-1], **{name: value})
                yield finish(f"{name}={value} {shape} columns", v(shape), dim=[0], **{name: value})
                yield finish(f"{name}={value} {shape} all", v(shape), dim=None, **{name: value})
            if name == "ord" and v.dtype.is_floating_point:
                many = torch.tensor([float("nan"), 1.0, float("inf"), 0.0, -0.0, -3.0, -float("inf")]).to(v.dtype)
                x = place(torch.stack([many, many.roll(1).abs(), many.nan_to_num(0.0)]), v.device)
                yield finish(f"special {name}={value}", x, special=True, dim=[-1], **{name: value})
    # in sums and products of the largest numbers the order decides
    ends = case.op not in ("sum", "mean", "prod", "nansum", "var_mean", "std_mean", "norm2")
    many = torch.tensor(specials(v.dtype, ends), dtype=torch.float64 if v.dtype.is_floating_point else torch.int64).to(v.dtype)
    n = len(many)
    for i in range(n if v.dtype.is_floating_point else 1):
        x = v.dense((n, 19))
        x[:, 3] = many
        x[:, 11] = many.roll(i)
        yield finish(f"special {i}", place(x, v.device), special=True, **last)


def traces(case, v: Values) -> Iterator[Sample]:
    for shape, layout in itertools.product(
        ((5, 33), (300, 7), (1, 1), (0, 4)), ("contiguous", "transposed", "sliced", "expanded")
    ):
        yield Sample(f"{shape} {layout}", [v(shape, layout)])


def pairs(case, v: Values) -> Iterator[Sample]:
    """equal"""
    for shape, layout in itertools.product(((5, 33), (), (3, 70001), (2, 3, 4), (0, 4)), ("contiguous", "transposed", "sliced")):
        x = v(shape, layout)
        yield Sample(f"{shape} {layout} same", [x, x.clone()])
        y = x.clone(memory_format=torch.contiguous_format)
        if y.numel():
            y.view(-1)[-1] = 1 - y.view(-1)[-1] if y.dtype != torch.bool else ~y.view(-1)[-1]
        yield Sample(f"{shape} {layout} last differs", [x, y])
    yield Sample("shapes differ", [v((3, 4)), v((4, 3))])
    if v.dtype.is_floating_point:
        x = place(torch.tensor([1.0, float("nan")]).to(v.dtype), v.device)
        yield Sample("nan", [x, x.clone()])
        yield Sample(
            "zeros", [place(torch.tensor([0.0]).to(v.dtype), v.device), place(torch.tensor([-0.0]).to(v.dtype), v.device)]
        )


def scan(case, v: Values) -> Iterator[Sample]:
    for shape, dim in (
        ((5, 33), 0),
        ((5, 33), 1),
        ((5, 33), -1),
        ((3, 4, 65), 1),
        ((2, 1031), -1),
        ((), 0),
        ((0, 3), 0),
        ((3, 0), 1),
    ):
        for layout in ("contiguous", "transposed", "sliced"):
            yield Sample(f"{shape} dim={dim} {layout}", [v(shape, layout), dim])
    if not case.inplace and any(a.name == "dtype" for a in case.arguments):
        for dtype in (torch.float64, torch.int64, torch.float32):
            if not (v.dtype.is_floating_point and not dtype.is_floating_point):
                yield Sample(f"dtype={dtype}", [v((4, 9)), 1], {"dtype": dtype})
    if v.dtype.is_floating_point:
        x = v.dense((9, 20))
        x[:, 5] = torch.tensor(specials(v.dtype, ends=False), dtype=torch.float64).to(v.dtype)
        yield Sample("special", [place(x, v.device), 1], special=True)


def softmax(case, v: Values) -> Iterator[Sample]:
    backward = case.base.endswith("backward_data")
    log = "log" in case.base
    shapes = [
        ((5, 33), -1),
        ((5, 33), 0),
        ((3, 4, 65), 1),
        ((2, 1031), 1),
        ((1, 5), 0),
        ((), 0),
        ((4, 0), 1),
        ((0, 4), 1),
        ((3, 40000), 1),
    ]
    for shape, dim in shapes:
        for layout in ("contiguous", "transposed", "sliced", "expanded"):
            x = v(shape, layout)
            if backward:
                y = torch.log_softmax(x.double(), dim) if log else torch.softmax(x.double(), dim)
                yield Sample(f"{shape} dim={dim} {layout}", [v(shape, layout), y.to(v.dtype), dim, v.dtype])
            else:
                yield Sample(f"{shape} dim={dim} {layout}", [x, dim, False])
    if not backward and v.dtype.is_floating_point:
        x = v.dense((13, 20))
        x[:, 5] = torch.tensor(specials(v.dtype), dtype=torch.float64).to(v.dtype)
        x[3] = -float("inf")
        x[4, 2:] = -float("inf")
        yield Sample("special", [place(x, v.device), 1, False], special=True)


_NORM_SHAPES = (
    ((5, 33), (33,)),
    ((3, 4, 65), (65,)),
    ((3, 4, 65), (4, 65)),
    ((2, 1031), (1031,)),
    ((64,), (64,)),
    ((0, 8), (8,)),
    ((2, 9000), (9000,)),
)


def _normalised(x, shape, eps, centre):
    """(mean, rstd) as the forward operator returns them."""
    dims = tuple(range(x.dim() - len(shape), x.dim()))
    d = x.double()
    mean = d.mean(dims, keepdim=True)
    second = ((d - mean) if centre else d).pow(2).mean(dims, keepdim=True)
    return mean, torch.rsqrt(second + eps)


def layer_norm(case, v: Values) -> Iterator[Sample]:
    backward = "backward" in case.base
    for (shape, norm), layout, given in itertools.product(_NORM_SHAPES, ("contiguous", "sliced", "transposed"), ("wb", "w", "")):
        w = v(norm) if "w" in given else None
        b = v(norm) if "b" in given else None
        x = v(shape, layout)
        name = f"{shape} {norm} {layout} {given}"
        if not backward:
            yield Sample(name, [x, list(norm), w, b, 1e-5])
            continue
        stat = v.dtype if v.dtype == torch.float64 or v.device == "cpu" else torch.float32
        mean, rstd = (t.to(stat) for t in _normalised(x, norm, 1e-5, True))
        for mask in ([True, w is not None, b is not None], [True, False, False]):
            yield Sample(f"{name} {mask}", [v(shape, layout), x, list(norm), mean, rstd, w, b, mask])


def rms_norm(case, v: Values) -> Iterator[Sample]:
    backward = "backward" in case.base
    layouts = ("contiguous",) if backward else ("contiguous", "sliced", "transposed")
    for (shape, norm), layout, given in itertools.product(_NORM_SHAPES, layouts, (True, False)):
        w = v(norm) if given else None
        x = v(shape, layout)
        name = f"{shape} {norm} {layout} weight={given}"
        if not backward:
            yield Sample(name, [x, list(norm), w, 1e-5])
            continue
        if x.numel() == 0 and v.device == "cpu":
            continue  # there is no native kernel that could be asked
        stat = torch.float64 if v.dtype == torch.float64 else torch.float32
        _, rstd = _normalised(x, norm, 1e-5, False)
        yield Sample(name, [v(shape, layout), x, list(norm), rstd.to(stat), w, [True, given]])
    if not backward:
        yield Sample("eps=None", [v((3, 33)), [33], v((33,)), None])


def matmul(case, v: Values) -> Iterator[Sample]:
    base = case.base.rstrip("_")
    batch = (3,) if base in ("bmm", "baddbmm") else ()
    sizes = [(33, 65, 17), (1, 64, 96), (96, 64, 1), (5, 129, 31), (2, 1, 3), (4, 0, 5), (0, 3, 4), (3, 4, 0)]
    if not batch:
        sizes.append((128, 200, 96))
    layouts = [("contiguous", "contiguous"), ("transposed", "contiguous"), ("contiguous", "transposed"), ("sliced", "sliced")]

    def last_two(shape, layout):
        if layout == "transposed":
            return v((*shape[:-2], shape[-1], shape[-2])).transpose(-1, -2)
        return v(shape, layout)

    for (m, k, n), (la, lb) in itertools.product(sizes, layouts):
        name = f"{(m, k, n)} {la}/{lb}"
        if base == "mv":
            yield Sample(name, [last_two((m, k), la), v((k,), lb if lb == "sliced" else "contiguous")])
            continue
        if base == "linear":
            x = last_two((m, k), la)
            w = last_two((n, k), lb)
            yield Sample(name, [x, w, v((n,))])
            yield Sample(f"{name} no bias", [x, w])
            continue
        a, b = last_two((*batch, m, k), la), last_two((*batch, k, n), lb)
        if base in ("mm", "bmm"):
            yield Sample(name, [a, b])
            continue
        selfs = [(*batch, m, n)] if case.inplace else [(*batch, m, n), (n,), (m, 1), (1, 1)]
        if (la, lb) != layouts[0]:
            selfs = selfs[:1]
        for shape in selfs:
            yield Sample(f"{name} self {shape}", [v(shape), a, b])
        yield Sample(f"{name} beta=0", [v(selfs[0]), a, b], {"beta": 0, "alpha": 1})
        yield Sample(
            f"{name} beta alpha",
            [v(selfs[0]), a, b],
            {"beta": 2, "alpha": -1} if not v.dtype.is_floating_point else {"beta": 0.5, "alpha": -1.5},
        )
    if base == "linear":
        yield Sample("3-d", [v((2, 3, 33)), v((17, 33)), v((17,))])
        yield Sample("1-d", [v((33,)), v((17, 33))])


def _indices(v, n, shape, layout="contiguous", dtype=torch.int64):
    maker = Values(dtype, v.device, 0, n - 1, seed=3)
    return maker(shape, layout)


def index(case, v: Values) -> Iterator[Sample]:
    base = case.base
    for layout, ilayout in itertools.product(("contiguous", "transposed", "sliced"), ("contiguous", "transposed", "sliced")):
        name = f"{layout}/{ilayout}"
        if base == "gather":
            for dim, shape in ((0, (4, 9)), (1, (6, 3)), (-1, (7, 40))):
                yield Sample(f"{name} dim={dim}", [v((7, 9), layout), dim, _indices(v, 7 if dim == 0 else 9, shape, ilayout)])
        elif base == "index_select":
            for dim, dtype in ((0, torch.int64), (1, torch.int32), (-1, torch.int64)):
                i = _indices(v, 7 if dim == 0 else 9, (5,), "sliced" if ilayout == "sliced" else "contiguous", dtype)
                yield Sample(f"{name} dim={dim} {dtype}", [v((7, 9), layout), dim, i])
        elif base == "embedding":
            for dtype in (torch.int64, torch.int32):
                yield Sample(f"{name} {dtype}", [v((11, 33), layout), _indices(v, 11, (3, 5), ilayout, dtype)])
        else:  # embedding_dense_backward(grad, indices, num_weights, padding_idx, scale_grad_by_freq)
            for padding in (-1, 2):
                yield Sample(
                    f"{name} padding={padding}", [v((3, 5, 33), layout), _indices(v, 11, (3, 5), ilayout), 11, padding, False]
                )
    if base == "gather":
        yield Sample("empty index", [v((7, 9)), 0, _indices(v, 7, (0, 9))])
    elif base == "index_select":
        yield Sample("empty index", [v((7, 9)), 0, _indices(v, 7, (0,))])
        yield Sample("0-d index", [v((7, 9)), 1, _indices(v, 7, ())])
    elif base == "embedding":
        yield Sample("0-d index", [v((11, 33)), _indices(v, 11, ())])
        yield Sample("empty index", [v((11, 33)), _indices(v, 11, (0, 2))])


def _unique(v, n, shape, layout="contiguous", dtype=torch.int64):
    """Different indices along each dimension 0: what writes to equal ones has no order on a GPU."""
    rows = torch.stack(
        [torch.randperm(n, generator=v.generator)[: shape[0]] for _ in range(max(torch.Size(shape[1:]).numel(), 1))], 1
    )
    return place(
        LAYOUTS[layout](
            lambda s: (rows.reshape(shape) if s == tuple(shape) else rows.reshape(shape).t()).to(dtype), tuple(shape)
        ),
        v.device,
    )


def advanced(case, v: Values) -> Iterator[Sample]:
    """index.Tensor; with values index_put: the indices are different ones, unless they add up."""
    put = "put" in case.base
    for (name, shape, indices, result), layout, accumulate in itertools.product(_advanced(v), LAYOUTS, (False, True)):
        if (accumulate and not put) or (layout == "expanded" and put and case.inplace):
            continue
        x = v(shape, layout)
        if not put:
            yield Sample(f"{name} {layout}", [x, indices])
            continue
        if not accumulate and "repeated" in name:
            continue
        for values in {result, result[1:], ()}:
            yield Sample(f"{name} {layout} {values} accumulate={accumulate}", [x, indices, v(values), accumulate])


def _advanced(v):
    def i(n, *shape, dtype=torch.int64):
        count = torch.Size(shape).numel()
        t = torch.randperm(n, generator=v.generator)[:count].reshape(shape)
        return place(torch.where(t % 2 == 0, t, t - n).to(dtype), v.device)  # every other one from the end

    def mask(*shape):
        return place(torch.rand(shape, generator=v.generator) < 0.5, v.device)

    def shape_of(shape, indices):
        return tuple(torch.empty(shape)[tuple(slice(None) if t is None else t.cpu() for t in indices)].shape)

    for name, shape, indices in (
        ("rows", (17, 33), [i(17, 6)]),
        ("rows int32", (17, 33), [i(17, 6, dtype=torch.int32)]),
        ("columns", (5, 33), [None, i(33, 9)]),
        ("matrix of rows", (17, 33), [i(17, 2, 3)]),
        ("repeated", (17, 33), [place(torch.tensor([3, 0, 3, 3, -14]), v.device)]),
        ("two", (9, 8), [i(9, 5), i(8, 5)]),
        ("two of three", (9, 8, 7), [i(9, 5), i(8, 5)]),
        ("middle", (9, 8, 7), [None, i(8, 5)]),
        ("last two", (9, 8, 7), [None, i(8, 5), i(7, 5)]),
        ("apart", (9, 8, 7), [i(9, 5), None, i(7, 5)]),
        ("outer product", (9, 8, 7), [i(9, 4, 1), i(8, 1, 3)]),
        ("three", (9, 8, 7), [i(9, 4, 1, 1), i(8, 3, 1), i(7, 2)]),
        ("0-d", (9, 8), [i(9)]),
        ("empty", (9, 8), [place(torch.empty(0, dtype=torch.int64), v.device)]),
        ("mask", (9, 8), [mask(9, 8)]),
        ("mask of rows", (9, 8), [mask(9)]),
        ("mask of columns", (9, 8), [None, mask(8)]),
        ("mask and rows", (9, 8, 7), [i(9, 1), mask(8)]),
        ("large", (700, 70), [i(700, 500)]),
        ("elements", (40000,), [i(40000, 30000)]),
    ):
        yield name, shape, indices, shape_of(shape, indices)


def scattered(case, v: Values) -> Iterator[Sample]:
    """scatter, scatter_add, scatter_reduce: equal indices where the result is the same in any order."""
    names = [a.name for a in case.arguments]
    options = [[]]
    if "reduce" in names:
        options = [[r] for r in (("sum", "prod", "amax", "amin") if "two" in case.key else ("add", "multiply"))]
    if "include_self" in names:
        options = [[*o, s] for o in options for s in (True, False)]
    combines = "reduce" in names or "add" in case.base
    for option, layout, other in itertools.product(
        options, ("contiguous", "transposed", "sliced"), ("contiguous", "transposed", "sliced")
    ):
        for dim, shape, extent in (
            (0, (7, 9), (5, 9)),
            (1, (6, 40), (6, 30)),
            (-1, (3, 2000), (2, 1500)),
            (0, (3000,), (2500,)),
            (0, (300, 700), (200, 700)),
        ):
            if shape[0] > 7 and (layout, other) != ("contiguous", "contiguous"):
                continue
            n = shape[dim]
            if combines and v.dtype not in (torch.float16, torch.bfloat16):
                index = _indices(v, n, extent, other)
            else:
                index = _unique(v, n, extent, other) if dim == 0 else _unique(v, n, extent[::-1], other).t()
            args = [v(shape, layout), dim, index]
            if "value" in names:
                args.append(2)
            else:
                args.append(v(tuple(e + 1 for e in extent), other))
            keywords = {}
            if "include_self" in names:
                args.append(option[0])
                keywords["include_self"] = option[1]
            elif option:
                keywords["reduce"] = option[0]
            yield Sample(f"{option} {layout}/{other} dim={dim} {shape}", args, keywords)


def indexed(case, v: Values) -> Iterator[Sample]:
    """index_add, index_copy, index_fill, index_reduce; take"""
    base = case.root
    layouts = ("contiguous", "transposed", "sliced")
    if base == "take":
        for layout, shape in itertools.product(layouts, ((5,), (4, 6), (), (0,))):
            yield Sample(f"{layout} {shape}", [v((7, 9)), _indices(v, 63, shape, layout if shape != (0,) else "contiguous") - 7])
        return
    for layout, source, (dim, shape, count) in itertools.product(
        layouts,
        layouts,
        ((0, (7, 9), 5), (1, (6, 40), 30), (-1, (3, 5, 2000), 7), (0, (900,), 800), (0, (900, 260), 800), (1, (5, 700, 3), 650)),
    ):
        index = _unique(v, shape[dim], (count,))
        extent = list(shape)
        extent[dim] = count
        args = [v(shape, layout), dim, index]
        if base == "index_fill":
            tensor = "Tensor" in str(case.arguments[3].type)
            yield Sample(
                f"{layout}/{source} dim={dim} {shape}",
                [*args[:2], index - shape[dim], torch.tensor(2, dtype=v.dtype) if tensor else 2],
            )
            continue
        args.append(v(extent, source))
        if base == "index_reduce":
            for how, keep in itertools.product(("prod", "amax", "amin"), (True, False)):
                yield Sample(f"{how} {keep} {layout}/{source} dim={dim} {shape}", [*args, how], {"include_self": keep})
        else:
            yield Sample(f"{layout}/{source} dim={dim} {shape}", args)
    if base == "index_add":  # equal ones
        for dtype in (torch.int64, torch.int32):
            yield Sample(f"repeated {dtype}", [v((7, 300)), 0, _indices(v, 7, (12,), dtype=dtype), v((12, 300))])
            yield Sample(
                f"repeated narrow {dtype}",
                [
                    v((70, 3)),
                    0,
                    _indices(v, 70, (5000,), dtype=dtype),
                    v((5000, 3)) / 100 if v.dtype.is_floating_point else v((5000, 3)),
                ],
            )


def compacted(case, v: Values) -> Iterator[Sample]:
    """nonzero, masked_select, masked_scatter"""
    layouts = ("contiguous", "transposed", "sliced", "offset")
    for layout, shape in itertools.product(
        layouts, ((7, 9), (4096,), (3, 5000), (130, 33, 3), (2, 1, 70000), (1,), (64, 64), (0, 4), ())
    ):
        for share in (0.0, 0.1, 0.5, 1.0):
            mask = place(LAYOUTS[layout](lambda s, share=share: torch.rand(s, generator=v.generator) < share, shape), v.device)
            name = f"{shape} {layout} {share}"
            if case.root == "nonzero":
                x = v(shape, layout)
                x.masked_fill_(~mask, 0)
                yield Sample(name, [x])
            elif case.root == "masked_select":
                yield Sample(name, [v(shape, "contiguous" if layout == "offset" else layout), mask])
            else:
                yield Sample(
                    name,
                    [
                        v(shape),
                        mask,
                        v((max(torch.Size(shape).numel(), 1) + 3,), "sliced" if layout == "sliced" else "contiguous"),
                    ],
                )
    if v.dtype.is_floating_point and case.root == "nonzero":
        x = torch.tensor([0.0, -0.0, float("nan"), float("inf"), torch.finfo(v.dtype).tiny, -torch.finfo(v.dtype).tiny] * 20)
        yield Sample("special", [place(x.to(v.dtype), v.device)], special=True)
    if case.root == "masked_select":
        mask = place(torch.rand((9,), generator=v.generator) < 0.5, v.device)
        yield Sample("broadcast mask", [v((7, 9)), mask])
        yield Sample("broadcast self", [v((9,)), mask.expand(4, 9)])
    elif case.root == "masked_scatter":
        mask = place(torch.rand((9,), generator=v.generator) < 0.5, v.device)
        yield Sample("broadcast mask", [v((7, 9)), mask, v((63,))])


def moved(case, v: Values) -> Iterator[Sample]:
    """flip, roll"""
    layouts = ("contiguous", "transposed", "sliced", "offset", "permuted", "expanded")
    if case.root == "flip":
        for layout, (shape, dims) in itertools.product(layouts, (
            ((7, 9), [0]), ((7, 9), [1]), ((7, 9), [0, -1]), ((3, 5, 70), [1]), ((3, 5, 70), [0, 2]), ((3, 5, 70), []), ((40000,), [0]), ((), []), ((0, 3), [1]), ((1, 5), [0]),
        )):  # fmt: skip
            yield Sample(f"{shape} {layout} {dims}", [v(shape, layout), dims])
        return
    for layout, (shape, shifts, dims) in itertools.product(layouts, (
        ((7, 9), [2], [0]), ((7, 9), [-3], [1]), ((7, 9), [2, 5], [0, 1]), ((3, 5, 70), [1, 100], [1, 2]), ((7, 9), [5], []), ((40000,), [-123], [0]),
        ((7, 9), [0], [0]), ((7, 9), [1, 2], [0, 0]), ((0, 3), [1], [0]), ((5, 1), [3], [1]),
    )):  # fmt: skip
        yield Sample(f"{shape} {layout} {shifts} {dims}", [v(shape, layout), shifts, dims])


def padded(case, v: Values) -> Iterator[Sample]:
    """Reflection and replication pads, and their gradients."""
    n = int(re.search(r"pad(\d)d", case.base)[1])
    back = "backward" in case.base
    for layout, extra, pads in itertools.product(
        ("contiguous", "transposed", "sliced"), ((2,), (2, 3)), ([0, 0] * n, [1, 2] * n, [2, 0] * n, [3, 3, 0, 1, 2, 0][: 2 * n])
    ):
        shape = (*extra, *(6, 5, 33)[3 - n :])
        x = v(shape, layout)
        args = [x, pads]
        if back:
            out = list(shape)
            for d in range(n):
                out[-1 - d] += pads[2 * d] + pads[2 * d + 1]
            args = [v(tuple(out), layout), x, pads]
        yield Sample(f"{shape} {layout} {pads}", args)


def unfolded(case, v: Values) -> Iterator[Sample]:
    for layout, (shape, dim, size, step) in itertools.product(
        ("contiguous", "transposed"),
        (((7, 9), 0, 3, 1), ((7, 9), 1, 2, 2), ((7, 33), -1, 3, 5), ((3, 50, 4), 1, 9, 4), ((300,), 0, 7, 3)),
    ):
        grad = list(shape)
        grad[dim] = (shape[dim] - size) // step + 1
        yield Sample(f"{shape} {layout} {dim} {size} {step}", [v((*grad, size), layout), list(shape), dim, size, step])


def triangle(case, v: Values) -> Iterator[Sample]:
    for shape, layout, k in itertools.product(
        ((5, 5), (3, 4, 9), (9, 4), (0, 3)), ("contiguous", "transposed", "sliced"), (0, 1, -2, 20)
    ):
        yield Sample(f"{shape} {layout} {k}", [v(shape, layout), k])


def arange(case, v: Values) -> Iterator[Sample]:
    options = {} if case.out_names else {"dtype": v.dtype, "device": v.device}
    ends = [0, 1, 7, 1000] + ([2.5, 33.25] if v.dtype.is_floating_point else [])
    if v.dtype in (torch.int8, torch.uint8):
        ends[3] = 100
    if v.dtype == torch.bool:
        ends = [0, 1, 2]
    n = sum(a.name in ("start", "end", "step") for a in case.arguments)
    for end in ends:
        if n == 1:
            yield Sample(f"end={end}", [end], dict(options))
        elif n == 2:
            yield Sample(f"0..{end}", [0, end], dict(options))
            yield Sample(f"1..{end + 1}", [1, end + 1], dict(options))
        else:
            yield Sample(f"0..{end} by 3", [0, end, 3], dict(options))
            if v.dtype != torch.uint8 and v.dtype != torch.bool:
                yield Sample(f"{end}..-1 by -2", [end, -1, -2], dict(options))
            if v.dtype.is_floating_point and (
                case.root != "range" or v.dtype.itemsize > 2
            ):  # torch counts 16-bit ranges in float
                yield Sample(f"0..{end} by 0.1", [0, end / 10, 0.1], dict(options))


def linspace(case, v: Values) -> Iterator[Sample]:
    for start, end, steps in ((0, 1, 7), (-3, 2.5, 1000), (5, -5, 2), (1, 1, 4), (0, 10, 1), (0, 10, 0), (-1, 1, 70001)):
        yield Sample(
            f"{start}..{end} {steps}", [start, end, steps], {} if case.out_names else {"dtype": v.dtype, "device": v.device}
        )


def eye(case, v: Values) -> Iterator[Sample]:
    for n, m in ((1, 1), (5, 7), (33, 4), (0, 3), (300, 300)):
        options = {} if case.out_names else {"dtype": v.dtype, "device": v.device}
        yield Sample(f"{n} {m}", [n, m] if any(a.name == "m" for a in case.arguments) else [n], options)


def repeated(case, v: Values) -> Iterator[Sample]:
    for counts in ([1, 2, 3], [0, 0, 5, 0], [1] * 5000, [0], [7] * 3 + [0] * 9 + [100000, 1]):
        yield Sample(f"{len(counts)} {sum(counts)}", [place(torch.tensor(counts), v.device)])
        yield Sample(f"{len(counts)} {sum(counts)} given", [place(torch.tensor(counts), v.device)], {"output_size": sum(counts)})


def likes(case, v: Values) -> Iterator[Sample]:
    value = [1 if v.dtype == torch.bool else 3] if "full" in case.base else []
    for shape, layout in itertools.product(
        ((4, 33), (), (0, 3), (3, 5, 7)), ("contiguous", "transposed", "sliced", "expanded", "permuted")
    ):
        x = v(shape, layout)
        size = [[5, 3]] if case.base.startswith("new") else []
        yield Sample(f"{shape} {layout}", [x, *size, *value])
        if layout == "transposed":
            yield Sample(f"{shape} {layout} float64", [x, *size, *value], {"dtype": torch.float64})
            if not size:
                yield Sample(f"{shape} {layout} row-major", [x, *value], {"memory_format": torch.contiguous_format})


def blocks(case, v: Values) -> Iterator[Sample]:
    """repeat, constant_pad_nd"""
    for shape, layout in itertools.product(((4, 33), (), (3, 5, 7), (1, 6)), ("contiguous", "transposed", "sliced", "expanded")):
        x = v(shape, layout)
        if case.base == "repeat":
            for more in ([], [2], [3, 1], [1, 4]):
                times = (
                    [2] * len(more) + [1, 3, 2][: len(shape)]
                    if len(more) < 2
                    else more[: max(len(shape), 0)] + [1] * max(len(shape) - 2, 0)
                )
                yield Sample(f"{shape} {layout} {times}", [x, times])
        elif shape:
            for pad in ([1, 2], [0, 0, 3, 1], [0, 3], [2, 2, 2, 2]):
                for value in ([], [1 if v.dtype == torch.bool else 5]):
                    yield Sample(f"{shape} {layout} {pad} {value}", [x, pad, *value])


def factory(case, v: Values) -> Iterator[Sample]:
    fill = {"full": [1 if v.dtype == torch.bool else 3]}.get(case.base, [])
    for shape in ([4, 33], [], [0, 3], [70001]):
        yield Sample(f"{shape}", [shape, *fill], {"dtype": v.dtype, "device": v.device})
    if v.dtype == torch.float32:
        yield Sample("no dtype", [[3, 5], *fill], {"device": v.device})
        if fill:
            yield Sample("no dtype, float", [[3, 5], 0.5], {"device": v.device})
            yield Sample("nan", [[3], float("nan")], {"device": v.device, "dtype": v.dtype})


def fill(case, v: Values) -> Iterator[Sample]:
    for shape, layout in itertools.product(((4, 33), (), (0, 3), (3, 5, 7)), ("contiguous", "transposed", "sliced", "offset")):
        x = v(shape, layout)
        if case.base == "zero_":
            yield Sample(f"{shape} {layout}", [x])
        elif case.arguments[1].name == "value" and "Tensor" in str(case.arguments[1].type):
            yield Sample(f"{shape} {layout}", [x, torch.tensor(2, dtype=v.dtype)])
            yield Sample(f"{shape} {layout} of float", [x, torch.tensor(1.5)])
        else:
            yield Sample(f"{shape} {layout}", [x, 2])
            if v.dtype.is_floating_point:
                yield Sample(f"{shape} {layout} nan", [x, float("nan")])


def copies(case, v: Values) -> Iterator[Sample]:
    layouts = ("contiguous", "transposed", "sliced", "permuted", "offset", "expanded")
    if case.base == "copy_":
        for other, layout, source in itertools.product(DTYPES, ("contiguous", "transposed", "sliced"), layouts):
            yield Sample(f"{layout} = {other} {source}", [v(SHAPE, layout), v(SHAPE, source, other)])
        yield Sample("row", [v(SHAPE), v((37,))])
        yield Sample("0-d", [v(SHAPE), v(())])
        yield Sample("empty", [v((0, 3)), v((0, 3))])
        if v.dtype.is_floating_point:
            for wide in (torch.float64, torch.float32):
                x = torch.tensor([*specials(wide), *specials(v.dtype), 65519.0, 65520.0, 1e-8], dtype=wide)
                yield Sample(f"special of {wide}", [v((len(x),)), place(x, v.device)], special=True)
        return
    for layout in layouts:
        for shape in (SHAPE, (), (4, 0), (3, 70001)):
            if case.base == "clone":
                for f in (None, torch.contiguous_format, torch.preserve_format):
                    yield Sample(f"{shape} {layout} {f}", [v(shape, layout)], {} if f is None else {"memory_format": f})
            elif shape == SHAPE or layout == "contiguous":
                for other in DTYPES:
                    yield Sample(f"{shape} {layout} -> {other}", [v(shape, layout)], {"dtype": other})
    if case.base != "clone" and v.dtype.is_floating_point:
        x = torch.tensor(specials(v.dtype), dtype=torch.float64).to(v.dtype)
        for other in FLOATS:
            yield Sample(f"special -> {other}", [place(x, v.device)], {"dtype": other}, special=True)


def lists(case, v: Values) -> Iterator[Sample]:
    stack = case.base == "stack"
    for layout in ("contiguous", "transposed", "sliced", "expanded"):
        for dim in (0, 1, -1):
            shapes = [(4, 5, 6)] * 3
            if not stack:
                shapes = [tuple(s + i if d == dim % 3 else s for d, s in enumerate((4, 5, 6))) for i in range(3)]
            yield Sample(f"{layout} dim={dim}", [[v(s, layout) for s in shapes], dim])
    yield Sample("one", [[v((3, 4))], 0])
    if stack:
        yield Sample("0-d", [[v(()), v(())], 0])
    else:
        yield Sample("with empty", [[v((0,)), v((3, 4)), v((0, 4))], 0])
        for other in _promotions(v.dtype)[:2]:
            yield Sample(f"with {other}", [[v((3, 4)), v((2, 4), dtype=other)], 0])


def silu_and_mul(case, v: Values) -> Iterator[Sample]:
    for layout in ("contiguous", "transposed", "sliced", "expanded"):
        yield Sample(layout, [v(SHAPE, layout), v(SHAPE)])
    yield Sample("0-d", [v(()), v(())])
    yield Sample("empty", [v((0, 4)), v((0, 4))])
    yield Sample("large", [v((3, 70001)), v((3, 70001))])


def fused_add_rms_norm(case, v: Values) -> Iterator[Sample]:
    for shape, layout in itertools.product(
        ((5, 33), (3, 4, 65), (2, 1031), (64,), (0, 8), (2, 9000)), ("contiguous", "sliced", "transposed")
    ):
        yield Sample(f"{shape} {layout}", [v(shape, layout), v(shape, layout), v(shape[-1:]), 1e-5])


MAKERS = {
    "_softmax": softmax, "_log_softmax": softmax, "_softmax_backward_data": softmax, "_log_softmax_backward_data": softmax,
    "native_layer_norm": layer_norm, "native_layer_norm_backward": layer_norm,
    "rms_norm": rms_norm, "_fused_rms_norm": rms_norm, "_fused_rms_norm_backward": rms_norm,
    "trace": traces, "equal": pairs,
    "gather": index, "index_select": index, "embedding": index, "embedding_dense_backward": index,
    "index": advanced, "_index_put_impl": advanced, "index_put": advanced, "scatter": scattered, "scatter_add": scattered,
    "scatter_reduce": scattered, "index_add": indexed, "index_copy": indexed, "index_fill": indexed, "index_reduce": indexed, "take": indexed,
    "nonzero": compacted, "masked_select": compacted, "masked_scatter": compacted, "flip": moved, "roll": moved, "unfold_backward": unfolded,
    **{f"{how}_pad{n}d{back}": padded for how in ("reflection", "replication") for n in (1, 2, 3) for back in ("", "_backward")},
    "tril": triangle, "triu": triangle, "arange": arange, "range": arange, "linspace": linspace, "repeat": blocks, "constant_pad_nd": blocks,
    **{name: likes for name in ("full_like", "zeros_like", "ones_like", "new_full", "new_zeros", "new_ones")}, "eye": eye, "repeat_interleave": repeated, "full": factory, "zeros": factory, "ones": factory,
    "fill": fill, "zero": fill, "copy": copies, "clone": copies, "_to_copy": copies, "cat": lists, "stack": lists,
    "silu_and_mul": silu_and_mul, "fused_add_rms_norm": fused_add_rms_norm,
}  # fmt: skip
FAMILY_MAKERS = {"pointwise": pointwise, "reduce": reduce, "scan": scan, "matmul": matmul}
