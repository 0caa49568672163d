"""What a candidate will take, learned from what others took: which ones of a call are worth measuring, and which to take where
nothing can be measured.

    model = CostModel.train(store.all())
    model.rank("mm", "bfloat16,bfloat16>bfloat16 m<=16 n=4096 k=4096 #...", ["native", "own", "own:tile=2"],
               "NVIDIA H200, sm_90, 132 SM")

What is learned is log(time / time of "own") of the same call: the call's own cost drops out, and calls of all sizes share one
scale. A family's knobs are its own, so each has its model: boosted trees over features of shape, device and knobs (boosting.py).
The nearest measured calls in log space are another estimate, which benchmark/tune_search.py compares: on synthetic times
0.9 % lost against 0.5 %, the mean of both 0.5 %.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
import os
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .boosting import Trees
from .tune import TuneRecord

FORMAT = 1
KNOBS = ("tile", "unroll", "block", "split")
LEAST_CALLS = 16  # measured calls of a family on a kind of device from which on its model is asked: 2 % lost, with 40 half of it
LEAST_TIMES = 3  # candidates of a call that teach more than who won
MOST_CALLS = 4000  # the newest are kept; with 32 candidates each, all of one family, they train in 2 s
SHARE = 4  # at most one candidate of so many is measured
LEAD = 0.02  # by how much a guess must lead to displace what is before it: own, then native, then variants
CUTOFF = 2.0  # times own from which on it doesn't matter how much slower: the trees shall look at the fast ones


class Call(NamedTuple):
    """What the candidates of one call took on one device."""

    device: str
    op: str
    bucket: str
    times: dict[str, float]  # us
    date: int = 0


def calls_of(records: Iterable[TuneRecord]) -> list[Call]:
    """The records' calls that have a time of "own", oldest first. Times of two environments are never mixed."""
    times: dict[tuple, dict[str, float]] = {}
    dates: dict[tuple, int] = {}
    for r in records:
        key = (r.env, r.op, r.bucket)
        times.setdefault(key, {})[r.candidate] = float(f"{r.median_us:.4g}")  # what a file keeps
        dates[key] = max(r.date, dates.get(key, 0))
    found = [Call(env.device, op, bucket, t, dates[env, op, bucket]) for (env, op, bucket), t in times.items()]
    usable = (c for c in found if c.times.get("own", 0) > 0 and len(c.times) > 1)
    return sorted(usable, key=lambda c: (c.date, c.device, c.op, c.bucket))


@functools.cache
def _families() -> dict[str, str]:
    from ._api import gems

    return {r.op: r.family for r in gems().table.rows}


def family_of(op: str) -> str:
    family = _families().get(op, "unknown")
    return "pointwise" if family == "copy" else family  # one planner, the same knobs


# ---- features


@functools.lru_cache(4096)
def shape_features(bucket: str) -> tuple[float, ...]:
    """Types, sizes by log2 and layout of a bucket's text."""
    types, _, rest = bucket.partition(" ")
    inputs, _, outputs = types.partition(">")
    read, written = inputs.split(","), outputs.split(",")
    bits = [re.search(r"\d+$", t) for t in read + written]
    width = [int(b[0]) // 8 if b else float(t == "bool") for b, t in zip(bits, read + written)]  # bytes; 0: not in memory
    number = {k: int(v) for k, v in re.findall(r"(\w+)(?:<=|=)(\d+)", rest)}
    size = {k: math.log2(max(v, 1)) for k, v in number.items()}
    a, b, c, d = (size.get(k, 0.0) for k in (("m", "n", "k", "batch") if "n" in size else ("numel", "inner", "", "")))
    if "n" in size:  # elements of the operand that is read most; how far n and k can be divided
        numel, c2, d2 = c + max(a, b), _twos(number["n"]), _twos(number["k"])
    else:
        numel, c, c2, d2 = a, a - b, number.get("rank", 0), 0  # c: rows
    words = set(rest.split())
    flags = ("dense" in words or "a^T" in words, "b^T" in words, "bfloat16" in read, any("int" in t or t == "bool" for t in read))
    return (a, b, c, d, c2, d2, numel + math.log2(max(max(width), 1)), max(width), width[len(read)], len(read), len(written),
            sum(t in ("-", "number") for t in read), *map(float, flags))  # fmt: skip


def _twos(n: int) -> int:
    return min((n & -n).bit_length() - 1, 8) if n else 0


def _isa(device: str) -> float:
    return next((level for level, name in ((2.0, "avx-512"), (1.0, "avx2")) if name in device.lower()), 0.0)


@functools.lru_cache(256)
def device_features(device: str) -> tuple[float, ...]:
    """Is it a GPU, units that work side by side (log2), capability or instruction set."""
    sm, units = re.search(r"sm_(\d+)", device), re.search(r"(\d+) SM", device)
    if sm:
        return (1.0, math.log2(int(units[1])) if units else 0.0, float(sm[1]))
    threads = re.search(r"(\d+) threads", device)
    return (0.0, math.log2(max(1, int(threads[1]))) if threads else 0.0, _isa(device))


def kind_of(device: str) -> tuple[float, float]:
    """Devices whose times say something about each other's: GPUs of a capability's number, CPUs of an instruction set."""
    gpu, _, level = device_features(device)
    return gpu, level // 10 if gpu else level


@functools.lru_cache(4096)
def knobs_of(candidate: str) -> tuple[int, int, int, int]:
    given = dict(re.findall(r"(\w+)=(\d)", candidate))
    return tuple(int(given.get(k, 0)) for k in KNOBS)


def candidate_features(candidate: str) -> tuple[float, ...]:
    return (*map(float, knobs_of(candidate)), float(candidate == "native"), float(candidate == "own-serial"))


def spread(candidates: Sequence[str]) -> list[str]:
    """The order when nothing is known: own, native, own-serial, then each time what is farthest from all before in knob space."""
    first = [c for c in ("own", "native", "own-serial") if c in candidates]
    left, taken = [c for c in candidates if c not in first], [(0, 0, 0, 0)]
    apart = lambda a, b: sum((x != y) + abs(x - y) / 16 for x, y in zip(a, b))
    while left:
        far = max(left, key=lambda c: (min(apart(knobs_of(c), t) for t in taken), -candidates.index(c)))
        first.append(far)
        taken.append(knobs_of(far))
        left.remove(far)
    return first


# ---- the two estimates of one family


class _Family:
    def __init__(self, calls: list[Call]):
        self.calls = calls
        self.names = sorted({n for c in calls for n in c.times})
        at = {n: i for i, n in enumerate(self.names)}
        self.table = np.full((len(calls), len(self.names)), np.nan)
        for row, c in zip(self.table, calls):
            for name, us in c.times.items():
                row[at[name]] = math.log(max(us, 1e-3) / c.times["own"])
        # An operator is known to the trees by what its native kernel takes beside ours, pulled to the family's mean.
        native = self.table[:, at["native"]] if "native" in at else np.zeros(len(calls))
        self.mean = float(np.nanmean(native)) if np.isfinite(native).any() else 0.0
        self.by_op: dict[str, float] = {}
        for op in {c.op for c in calls}:
            own = native[[c.op == op for c in calls] & np.isfinite(native)]
            self.by_op[op] = (own.sum() + 2 * self.mean) / (len(own) + 2)
        self.place = np.array([self._place(c.op, c.bucket, c.device) for c in calls])
        self.of_op = np.array([c.op for c in calls])
        self._trees: Trees | None = None

    def _place(self, op: str, bucket: str, device: str) -> list[float]:
        return [*shape_features(bucket), *device_features(device), self.by_op.get(op, self.mean)]

    @property
    def trees(self) -> Trees:
        if self._trees is None:
            row, column = np.nonzero(np.isfinite(self.table))
            y = np.minimum(self.table[row, column], math.log(CUTOFF))
            knobs = np.array([candidate_features(n) for n in self.names])
            best = np.nanmin(self.table, 1)[row]
            self._trees = Trees().fit(np.hstack([self.place[row], knobs[column]]), y, np.exp(best - y))
        return self._trees

    def by_trees(self, op: str, bucket: str, names: Sequence[str], device: str) -> np.ndarray:
        place = self._place(op, bucket, device)
        return self.trees.predict(np.array([[*place, *candidate_features(n)] for n in names]))

    def by_neighbours(self, op: str, bucket: str, names: Sequence[str], device: str) -> np.ndarray:
        """Weighted mean of the nearest calls; NaN where none of them has the candidate."""
        scale = np.array([1, 1, 1, 1, 0.3, 0.3, 0, 0.5, 0.5, 1, 1, 1, 2, 2, 0.3, 2, 5, 1, 0.2, 0])
        apart = np.abs(self.place - np.array(self._place(op, bucket, device))) @ scale + (self.of_op != op)
        near = np.argsort(apart, kind="stable")[:8]
        weight = 1 / (0.5 + apart[near]) ** 2
        at = {n: i for i, n in enumerate(self.names)}
        values = np.stack([self.table[near, at[n]] if n in at else np.full(len(near), np.nan) for n in names], 1)
        known = np.isfinite(values)
        total = weight @ known
        with np.errstate(invalid="ignore"):
            return np.where(total > 0, weight @ np.where(known, values, 0) / total, np.nan)

    def predict(self, op: str, bucket: str, names: Sequence[str], device: str, estimate: str) -> np.ndarray:
        trees = self.by_trees(op, bucket, names, device)
        if estimate == "trees":
            return trees
        near = self.by_neighbours(op, bucket, names, device)
        return np.where(np.isfinite(near), near if estimate == "near" else (trees + near) / 2, trees)


# ---- the model


class CostModel:
    """A model is the table of times it was made from; a family's trees are grown when the first question about it comes."""

    def __init__(self, calls: Iterable[Call] = (), estimate: str = "trees"):
        newest = {(c.device, c.op, c.bucket): c for c in calls}  # later ones replace
        self.calls = list(newest.values())[-MOST_CALLS:]
        self._estimate = estimate  # or "near", "both": for comparison
        self._families: dict[tuple[str, bool], _Family | None] = {}

    @classmethod
    def train(cls, records: Iterable[TuneRecord]) -> CostModel:
        return cls(calls_of(records))

    def extended(self, records: Iterable[TuneRecord]) -> CostModel:
        """This model with what was measured since."""
        return CostModel([*self.calls, *calls_of(records)])

    def knows(self, op: str, device: str) -> bool:
        """Were enough calls of the operator's family measured on this kind of device?"""
        family, kind = family_of(op), kind_of(device)
        same = (c for c in self.calls if family_of(c.op) == family and kind_of(c.device) == kind)
        return sum(len(c.times) >= LEAST_TIMES for c in same) >= LEAST_CALLS

    def _family(self, op: str, device: str) -> _Family | None:
        key = (family_of(op), bool(device_features(device)[0]))
        if key not in self._families:
            calls = [c for c in self.calls if (family_of(c.op), bool(device_features(c.device)[0])) == key]
            self._families[key] = _Family(calls) if len(calls) >= LEAST_CALLS else None
        return self._families[key]

    def predict(self, op: str, bucket: str, candidates: Sequence[str], device: str) -> np.ndarray | None:
        """log(time / time of "own") of each; None: too little was measured to say. Devices of another kind count here."""
        family = self._family(op, device)
        if family is None or not candidates:
            return None
        own = family.predict(op, bucket, ["own", *candidates], device, self._estimate)
        return own[1:] - own[0]

    def rank(self, op: str, bucket: str, candidates: Sequence[str], device: str) -> list[str]:
        """Best first; without a prediction the order of ``spread``."""
        expected = self.predict(op, bucket, candidates, device)
        if expected is None:
            return spread(candidates)
        return [candidates[i] for i in np.argsort(expected, kind="stable")]

    def worth_measuring(self, op: str, bucket: str, candidates: Sequence[str], device: str) -> list[str]:
        """All where too little is known, else a quarter of them, three at least: own, native and the most promising."""
        most = max(3, len(candidates) // SHARE)
        if len(candidates) <= most or not self.knows(op, device):
            return list(candidates)
        fixed = [c for c in ("native", "own") if c in candidates]
        best = [c for c in self.rank(op, bucket, candidates, device) if c not in fixed]
        return fixed + best[: most - len(fixed)]

    def choose(self, op: str, bucket: str, candidates: Sequence[str], device: str) -> str:
        """What to run where nothing can be measured: "own" unless another is expected to lead, for a device of another kind than
        the measured ones clearly."""
        expected = self.predict(op, bucket, candidates, device)
        if expected is None:
            return "own"
        lead = LEAD if self.knows(op, device) else 5 * LEAD
        winner, time = "own", 0.0
        for name, t in sorted(zip(candidates, expected), key=lambda nt: (nt[0] != "native", nt[0])):
            if t < time + math.log(1 - lead):
                winner, time = name, float(t)
        return winner

    # ---- files

    def save(self, path: str | os.PathLike) -> None:
        rows = [[c.device, c.op, c.bucket, c.times, c.date] for c in self.calls]
        text = json.dumps({"format": FORMAT, "hash": _digest(rows), "calls": rows}, separators=(",", ":"))
        part = Path(f"{os.fspath(path)}.part")
        part.write_text(text.replace("],[", "],\n[") + "\n", encoding="utf-8")
        os.replace(part, path)

    @classmethod
    def load(cls, path: str | os.PathLike) -> CostModel:
        """ValueError: the file isn't what ``save`` wrote."""
        try:
            data: Mapping[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
            if data["format"] != FORMAT:
                raise ValueError(f"format {data['format']}, this version reads {FORMAT}")
            if data["hash"] != _digest(data["calls"]):
                raise ValueError("its content was changed")
            return cls(Call(*row) for row in data["calls"])
        except (ValueError, KeyError, TypeError) as e:
            raise ValueError(f"flag_gems: {os.fspath(path)} is no cost model: {e}") from e


def _digest(rows: list) -> str:
    return hashlib.sha256(json.dumps(rows, separators=(",", ":"), sort_keys=True).encode()).hexdigest()


def default() -> CostModel:
    """What ships with the package (``models/*.json``, none is fine) and this machine's or fleet's store, if there is one."""
    from . import tune

    calls: list[Call] = []
    for path in sorted((Path(__file__).parent / "models").glob("*.json")):
        try:
            calls += CostModel.load(path).calls
        except (OSError, ValueError) as e:
            warnings.warn(str(e), stacklevel=2)
    place = tune.default_place()
    if "://" in place or Path(place).is_file():
        with tune.Store(place) as store:
            calls += calls_of(store.all())
    return CostModel(calls)
