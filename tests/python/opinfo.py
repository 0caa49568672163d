"""torch's operator database (OpInfo) as a source of calls: which samples are run, in which forms, and how two outcomes are compared.

A call is run natively and under flag_gems on copies of the same arguments, from the same seed. What must agree: exception type; number,
dtype, shape and strides of the results; arguments written to; the generators' state; values. Where only kernels ran whose results
are equal to torch's (cases.EXACT), they are equal; elsewhere ours is as near to a float64 reference as the native result, or within TOLERANCE.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import sys
import types
import unittest
import warnings
import zlib
from collections.abc import Callable, Iterator

import cases
import torch
from torch.utils._pytree import tree_flatten, tree_map

import flag_gems
from flag_gems.testing import RESOLUTION

SAMPLE = "sample"
SEED = os.environ.get("GEMS_OPINFO_SEED", "0")

# (rel, abs) where the native result isn't further from the reference; abs is of numbers around 1, and grows with the root of the number
# of elements. In 16 bits it is the rounding of one intermediate result.
TOLERANCE = {
    torch.float64: (1e-11, 1e-11),
    torch.float32: (RESOLUTION[torch.float32], 2e-6),
    torch.float16: (RESOLUTION[torch.float16], 5e-4),
    torch.bfloat16: (RESOLUTION[torch.bfloat16] / 2, 4e-3),
}
# What runs this many different operators of ours is a model: a softmax of numbers around 1000 makes a relative error of theirs 1000 times
# larger (multi_head_attention_forward: 6e-5 with our mm, 2e-5 and 3e-6 natively with two layouts of the same numbers).
MODEL, MODEL_SLACK = 5, 64
# Operators of cases.EXACT that round once where the native kernel rounds twice.
ROUNDED_ONCE = {"mul_.Scalar"}
SLACK = 1.25  # of the native error: where several 16-bit roundings follow each other, luck decides whose are less
WIDE = {**dict.fromkeys((torch.float16, torch.bfloat16, torch.float32), torch.float64),
        **dict.fromkeys((torch.complex32, torch.complex64), torch.complex128)}  # fmt: skip


@functools.cache
def database() -> dict:
    """full name -> OpInfo."""
    try:
        import expecttest  # noqa: F401
    except ModuleNotFoundError:  # on a GPU machine without a network; torch only derives a class from it that isn't used here
        sys.modules["expecttest"] = types.ModuleType("expecttest")
        sys.modules["expecttest"].TestCase = unittest.TestCase
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.testing._internal.common_methods_invocations import op_db
    torch.backends.__dict__["__allow_nonbracketed_mutation_flag"] = True  # which that import switches off for the whole process
    return {op.full_name: op for op in op_db}


def chance(*key) -> float:
    """From 0 to 1: the same for a key in each run with the same seed."""
    return zlib.crc32(repr((SEED, *key)).encode()) / 2**32


def picked(share: float, *key) -> bool:
    return chance(*key) < share


def first_by_chance(items: list, n: int, *key) -> list:
    order = sorted(range(len(items)), key=lambda i: chance(*key, i))
    return [items[i] for i in sorted(order[:n])]


def seed(number: int) -> None:
    """Of every device. torch.manual_seed formats the stack each time, for a GPU that might come: 80 % of these tests' time."""
    torch.default_generator.manual_seed(number)
    if torch.cuda.is_available():
        torch.cuda.manual_seed_all(number)


# ---- arguments


def copy(value):
    """Of tensors, with the same strides, gaps and overlaps."""
    if not isinstance(value, torch.Tensor):
        return value
    if value.layout != torch.strided or value.is_nested or value.is_conj():
        return value.detach().clone().requires_grad_(value.requires_grad)
    if value.is_neg():
        return torch._neg_view(copy(torch._neg_view(value)))
    storage = value.untyped_storage().clone()
    new = torch.empty(0, dtype=value.dtype, device=value.device).set_(
        storage, value.storage_offset(), value.shape, value.stride()
    )
    return new.requires_grad_(value.requires_grad)


def copies(tree):
    return tree_map(copy, tree)


def widened(tree):
    """Floating point in double: arguments of the reference."""

    def widen(v):
        if isinstance(v, torch.Tensor):
            return v.detach().to(WIDE.get(v.dtype, v.dtype)) if v.layout == torch.strided else v
        return WIDE.get(v, v) if isinstance(v, torch.dtype) else v

    return tree_map(widen, tree)


@dataclasses.dataclass
class Outcome:
    error: Exception | None = None
    results: list = dataclasses.field(default_factory=list)
    arguments: list = dataclasses.field(default_factory=list)
    generator: torch.Tensor | None = None
    returned: bool = False  # the tensors given as out=
    rows: tuple[str, ...] = ()  # of ours that ran
    calls: int = 0


@dataclasses.dataclass
class Call:
    """One call of one sample."""

    name: str
    function: Callable
    args: tuple
    kwargs: dict
    outs: Callable | None = None  # functional results -> out=
    plain: bool = False  # functional, on the sample as it is

    def prepared(self) -> tuple:
        """Arguments of their own for one run."""
        args, kwargs = copies((self.args, self.kwargs))
        if self.outs is not None:
            kwargs["out"] = self.outs()
        return args, kwargs

    def run(self, args, kwargs) -> Outcome:
        given = tensors((args, kwargs))
        cuda = any(t.is_cuda for t in given)
        seed(7)
        flag_gems.reset_stats()
        before = flag_gems._debug_call_count()
        try:
            result = self.function(*args, **kwargs)
        except Exception as e:
            return Outcome(error=e)
        outcome = Outcome(results=tree_flatten(result)[0], calls=flag_gems._debug_call_count() - before)
        if outcome.calls:
            outcome.rows = tuple(s.key for s in flag_gems.stats() if s.own_calls)
        if self.outs is not None:
            outcome.returned = all(r is o for r, o in zip(outcome.results, tensors(kwargs["out"])))
        outcome.arguments = [t for t in given if not any(t is r for r in outcome.results)]
        outcome.generator = torch.cuda.get_rng_state() if cuda else torch.get_rng_state()
        return outcome

    def reference(self) -> list | None:
        """In double; None where torch can't."""
        args, kwargs = widened(copies((self.args, self.kwargs)))
        seed(7)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return tree_flatten(self.function(*args, **kwargs))[0]
        except Exception:
            return None


def tensors(tree) -> list[torch.Tensor]:
    return [t for t in tree_flatten(tree)[0] if isinstance(t, torch.Tensor)]


# ---- calls of an operator


def samples(op, device, dtype, reference_inputs=False, **kwargs) -> list:
    """Always the same ones; torch's generators draw from the global generator while they run."""
    seed(zlib.crc32(f"{op.full_name} {dtype}".encode()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        make = op.reference_inputs if reference_inputs else op.sample_inputs
        return list(make(device, dtype, **kwargs))


def calls_of(op, sample, index: int) -> Iterator[Call]:
    """Functional, functional on tensors with gaps, in place."""
    label = f"{index} {sample.summary()[:160]}"
    yield Call(label, op.op, (sample.input, *sample.args), sample.kwargs, plain=True)
    if any(t.layout == torch.strided and t.numel() > 1 and not t.is_nested for t in tensors((sample.input, sample.args))):
        try:
            gaps = sample.noncontiguous()
        except Exception:
            gaps = None
        if gaps is not None:
            yield Call(f"{label} with gaps", op.op, (gaps.input, *gaps.args), gaps.kwargs)
    for what, inplace in (("in place", op.get_inplace()), ("operator in place", op.get_inplace_operator())):
        if inplace is not None and isinstance(sample.input, torch.Tensor):
            yield Call(f"{label} {what}", inplace, (sample.input, *sample.args), sample.kwargs)
    if (
        index == 0
        and isinstance(sample.input, torch.Tensor)
        and sample.input.layout == torch.strided
        and sample.input.dtype in TOLERANCE
    ):
        if op.test_neg_view and not sample.input.is_nested:
            yield Call(f"{label} negative view", op.op, (torch._neg_view(-sample.input), *sample.args), sample.kwargs)
    operator = op.get_operator()
    if operator is not None:
        yield Call(f"{label} operator", operator, (sample.input, *sample.args), sample.kwargs)


def out_calls(op, call: Call, native: Outcome) -> Iterator[Call]:
    """With out= like the functional results, empty, and with gaps; and of another dtype."""
    results = native.results
    if not op.supports_out or not results or not all(isinstance(t, torch.Tensor) and t.layout == torch.strided for t in results):
        return

    def pack(make):
        outs = [make(t.detach()) for t in results]
        return outs[0] if len(outs) == 1 else tuple(outs)

    def like(t):
        return torch.full_like(t, 1)

    def gaps(t):
        wide = torch.ones((*t.shape, 2), dtype=t.dtype, device=t.device)
        return wide[..., 0]

    def other(t):
        return torch.ones(t.shape, dtype=torch.float64 if t.dtype != torch.float64 else torch.int32, device=t.device)

    makers = {
        "like": like,
        "empty": lambda t: torch.empty(0, dtype=t.dtype, device=t.device),
        "gaps": gaps,
        "another dtype": other,
    }
    for name, make in makers.items():
        yield Call(f"{call.name} out={name}", call.function, call.args, call.kwargs, lambda make=make: pack(make))


def error_calls(op, device) -> list[Call]:
    seed(zlib.crc32(op.full_name.encode()))
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for i, e in enumerate(op.error_inputs(device)):
            s = e.sample_input
            found.append(Call(f"{i} {e.error_regex!r:.80} {s.summary()[:120]}", op.op, (s.input, *s.args), s.kwargs))
    return found


def run_all(calls: list[Call], ours: bool) -> list[Outcome]:
    """With everything enabled, or nothing."""
    prepared = [c.prepared() for c in calls]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if ours:
            flag_gems.enable()
        try:
            return [c.run(*arguments) for c, arguments in zip(calls, prepared)]
        finally:
            if ours:
                flag_gems.disable()


# ---- comparison


@functools.cache
def _operators() -> dict[str, str]:
    from flag_gems._api import gems

    return {r.key: r.op for r in gems().table.rows}


def compare(call: Call, native: Outcome, ours: Outcome) -> None:
    """AssertionError says what differs."""
    if native.error is not None or ours.error is not None:
        same = type(native.error) is type(ours.error)
        assert same, f"{_text(ours)}, native: {_text(native)}"
        return
    assert len(ours.results) == len(native.results)
    assert ours.returned == native.returned, "an out= operator returns its out argument"
    assert torch.equal(ours.generator, native.generator), "the generator is elsewhere than after the native call"
    reference = None
    for i, (g, w) in enumerate(zip(ours.results + ours.arguments, native.results + native.arguments)):
        if not isinstance(w, torch.Tensor):
            assert g == w or (g != g and w != w), f"{g!r}, native {w!r}"
            continue
        what = f"result {i}" if i < len(ours.results) else f"argument {i - len(ours.results)} afterwards"
        if not isinstance(g, torch.Tensor):
            raise AssertionError(f"{what} is {g!r}")
        assert (g.dtype, g.shape, g.layout, g.device) == (w.dtype, w.shape, w.layout, w.device), (
            f"{what}: {_kind(g)}, native {_kind(w)}"
        )
        if g.layout != torch.strided or g.is_nested or g.is_quantized:
            continue
        _compare_strides(g, w, ours.rows, what)
        if g.numel() == 0 or equal(g, w):
            continue
        if g.dtype == torch.int64 and _leads_to_the_same(call, g, w, ours.rows):
            continue
        if not (g.dtype.is_floating_point or g.dtype.is_complex):
            raise AssertionError(f"{what}: {_difference(g, w)}")
        if reference is None:
            reference = call.reference() or []
        r = reference[i] if i < len(reference) else w
        if not isinstance(r, torch.Tensor) or r.shape != g.shape or r.is_complex() != g.is_complex():
            r = w
        if exact(
            ours.rows
        ):  # torch rounds some formulas twice (add with alpha in 16 bits): ours may be nearer, element by element
            nearer = ((g.double() - r.double()).abs() <= (w.double() - r.double()).abs()) | (g.double() == w.double())
            assert bool((nearer | (g.isnan() & w.isnan())).all()) and not g.is_complex(), f"{what}: {_difference(g, w)}"
            continue
        _near(g, w, r, what, call, ours.rows)


def exact(rows) -> bool:
    names = _operators()
    return all(names[k] in cases.EXACT and k not in ROUNDED_ONCE for k in rows)


def _leads_to_the_same(call, g, w, rows) -> bool:
    """Of equal values these operators take any: the indices lead to the same values, each index once."""
    names = _operators()
    if not any(k in ("sort", "sort.values") or names[k] in cases.TIES for k in rows):
        return False
    x = call.args[0]
    x, g, w = (t.reshape(1) if t.dim() == 0 else t for t in (x, g, w))

    def leads(dim):
        i, j = (t.unsqueeze(dim) if t.dim() < x.dim() else t for t in (g, w))
        same = equal(x.gather(dim, i), x.gather(dim, j))
        return same and (i.shape[dim] < 2 or bool((i.sort(dim).values.diff(dim=dim) > 0).all()))

    for dim in range(x.dim()):
        try:
            if leads(dim):
                return True
        except (RuntimeError, IndexError):  # not along this dimension
            continue
    return False


def equal(a, b) -> bool:
    """Bit for bit, but for the bits of a NaN."""
    if a.is_complex():
        a, b = torch.view_as_real(a.resolve_conj()), torch.view_as_real(b.resolve_conj())
    if not a.dtype.is_floating_point:
        return torch.equal(a, b)
    if a.element_size() == 1:
        return torch.equal(a.float().nan_to_num(1e9), b.float().nan_to_num(1e9))
    same = ((a == b) & (a.signbit() == b.signbit())) | (a.isnan() & b.isnan())
    return bool(same.all())


def _compare_strides(g, w, rows, what) -> None:
    same = all(a == b for a, b, n in zip(g.stride(), w.stride(), g.shape) if n > 1)
    names = _operators()
    loose = any(names[k] in cases.OTHER_LAYOUT for k in rows) and cases._dense(g)
    assert same or loose or g.numel() == 0, f"{what}: strides {g.stride()}, native {w.stride()}"


def _near(g, w, r, what, call, rows) -> None:
    orders = 8 if r is w else 1  # no reference: of two orders of summation neither is right
    if g.is_complex():
        g, w, r = (torch.view_as_real(t.resolve_conj()) for t in (g, w, r))
    g, w, r = g.detach(), w.detach(), r.detach()
    dtype = g.dtype
    if dtype == torch.float64 and equal(w.float().double(), w) and equal(g.float().double(), g):
        dtype = torch.float32  # what was computed in float, in an out= of double
    rel, absolute = TOLERANCE.get(dtype, (0, 0))
    length = max([1, *(t.numel() for t in tensors((call.args, call.kwargs)))])
    tolerance = rel, absolute * min(length, 10_000) ** 0.5
    slack = orders * (MODEL_SLACK if len(rows) >= MODEL else 1)
    tolerance = tolerance[0] * slack, tolerance[1] * slack
    try:
        cases._assert_near(g, w, r, tolerance, SLACK)
    except AssertionError as e:
        raise AssertionError(f"{what}: {e}") from None


def _kind(t) -> str:
    return f"{t.dtype} {tuple(t.shape)} {t.layout} {t.device}"


def _text(o: Outcome) -> str:
    if o.error is not None:
        text = str(o.error)
        return f"{type(o.error).__name__}: {text.splitlines()[0][:200] if text else ''}"
    return f"results {[_kind(t) if isinstance(t, torch.Tensor) else t for t in o.results]}"


def _difference(g, w) -> str:
    if g.is_complex():
        g, w = torch.view_as_real(g), torch.view_as_real(w)
    differ = (g != w) & ~((g != g) & (w != w))
    if not bool(differ.any()):
        return "signs of zeros differ"
    at = tuple(differ.nonzero()[0].tolist())
    return f"{int(differ.sum())} of {g.numel()} differ, first at {at}: {g[at].item()!r}, native {w[at].item()!r}"
