"""Pre-tuning: compiles the kernels of a list of calls, measures our kernel against the native one for each, and keeps both in a
folder that travels with a deployment (``flag_gems.enable(tune_cache_dir=...)``).

The folder: ``records.jsonl`` (what was measured), ``kernels/`` (compiled), ``manifest.json`` (versions, and a hash of each file).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import torch

from . import _tuning, cost_model, jit, shapes, tune
from ._api import gems
from ._native import native
from ._version import __version__
from .progress import Progress
from .race import race

RECORDS, GUESSES, MANIFEST, KERNELS = "records.jsonl", "predicted.jsonl", "manifest.json", "kernels"
FORMAT = 1
COLD = 192 << 20  # bytes that the calls of one graph touch: three times the 60 MB L2 of an H200


def environment(device: str) -> tune.TuneEnv:
    """Where a measurement on this device holds."""
    return tune.TuneEnv(*_tuning.environment(device))


class Measured(NamedTuple):
    entry: shapes.ShapeEntry
    op: str  # of the declaration; "" if the call isn't decided as a whole
    bucket: str
    times: dict[str, tuple[float, float]]  # candidate -> median in us, spread
    rounds: int
    note: str  # why it isn't decided
    candidates: int = 0  # how many there are; a cost model chose those measured

    @property
    def decided(self) -> bool:
        return bool(self.bucket)

    @property
    def winner(self) -> str:
        return best({name: us for name, (us, _) in self.times.items()})

    def describe(self) -> str:
        shown = {"native", "own", "own-serial", self.winner}
        times = ", ".join(f"{name} {us:.1f} us" for name, (us, _) in self.times.items() if name in shown)
        return f"{times}: {self.winner}" + (f" ({len(self.times)} of {self.candidates} measured)" if self.candidates > 3 else "")


def best(times: dict[str, float]) -> str:
    """The candidate to run, of medians: native, own, others in this order, each of which has to lead by 2 % to displace the
    one before it. What is equal keeps the usual numbers, and the simpler way."""
    return native().tune_best(times)


def _spread(times: list[float]) -> float:
    """Half the interquartile range over the median: outliers of a shared machine don't count."""
    if len(times) < 4:
        return 0.0
    q = statistics.quantiles(times, n=4)
    return (q[2] - q[0]) / 2 / statistics.median(times)


def _close(a, b) -> bool:
    """Do two results agree as well as the dtype allows? A candidate whose numbers don't may not win."""
    from .testing import RESOLUTION

    if isinstance(a, torch.Tensor):
        if a.shape != b.shape or a.dtype != b.dtype:
            return False
        if not a.is_floating_point():
            return bool(torch.equal(a, b))
        x, y = a.double(), b.double()
        scale = y[y.isfinite()].abs().max().item() if bool(y.isfinite().any()) else 1.0
        tolerance = max(RESOLUTION.get(a.dtype, 1e-3), 1e-6) * max(scale, 1e-30)
        return bool(torch.allclose(x, y, rtol=0, atol=4 * tolerance, equal_nan=True))
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(_close(x, y) for x, y in zip(a, b))
    return True


def _agrees(got, reference, call: Callable, args: tuple, kwargs: dict) -> bool:
    """As near to the native result as the dtype allows; or, where rounding adds up (running sums, a sum of millions), no further
    from the result in float64 than twice the native one is."""
    if _close(got, reference):
        return True
    if not isinstance(got, torch.Tensor) or not got.is_floating_point() or got.dtype == torch.float64:
        return False
    doubled = [a.double() if isinstance(a, torch.Tensor) and a.is_floating_point() else a for a in args]
    native().tune_force("native")
    try:
        exact = call(*doubled, **kwargs)
    except RuntimeError:
        return False
    finally:
        native().tune_force("auto")
    if got.shape != reference.shape or exact.shape != got.shape or not torch.equal(got.isfinite(), reference.isfinite()):
        return False
    error = [(x.double() - exact)[x.isfinite()].abs().max().item() for x in (got, reference)]
    return error[0] <= 2 * error[1]


def _clone(v):
    if isinstance(v, torch.Tensor):
        return (
            v.clone() if v.is_contiguous() else torch.empty_strided(v.shape, v.stride(), dtype=v.dtype, device=v.device).copy_(v)
        )
    return [_clone(x) for x in v] if isinstance(v, list) else v


def _bytes(v) -> int:
    if isinstance(v, torch.Tensor):
        return v.numel() * v.element_size()
    return sum(map(_bytes, v)) if isinstance(v, (list, tuple)) else 0


class _Timer:
    """Seconds of one call of a candidate, by turns. On a GPU by replay of a graph over several sets of arguments, so that
    caches are cold and the host doesn't count; on the CPU by the clock over as many calls as take a millisecond."""

    def __init__(self, call: Callable, args: tuple, kwargs: dict, device: str):
        self._cuda = torch.device(device).type == "cuda"
        self._call, self._kwargs = call, kwargs
        n = 1
        if self._cuda:
            n = max(2, min(64, COLD // max(1, _bytes(args))))
        self._sets = [args] + [tuple(_clone(a) for a in args) for _ in range(n - 1)]
        self._graphs: dict[str, torch.cuda.CUDAGraph] = {}
        # One pool for all: outputs are dropped at once, and a graph's own pool would keep an output a candidate.
        self._pool = torch.cuda.graph_pool_handle() if self._cuda else None
        self._loops: dict[str, int] = {}

    def _run(self, candidate: str) -> None:
        native().tune_force(candidate)
        try:
            for a in self._sets:
                self._call(*a, **self._kwargs)
        finally:
            native().tune_force("auto")

    def seconds(self, candidate: str) -> float:
        if self._cuda:
            graph = self._graphs.get(candidate)
            if graph is None:
                side = torch.cuda.Stream()
                side.wait_stream(torch.cuda.current_stream())
                with torch.cuda.stream(side):
                    self._run(candidate)
                torch.cuda.current_stream().wait_stream(side)
                torch.cuda.synchronize()
                graph = self._graphs[candidate] = torch.cuda.CUDAGraph()
                with torch.cuda.graph(graph, pool=self._pool):
                    self._run(candidate)
                graph.replay()
            begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            begin.record()
            graph.replay()
            end.record()
            end.synchronize()
            return begin.elapsed_time(end) / 1e3 / len(self._sets)
        loops = self._loops.get(candidate)
        if loops is None:
            t = time.perf_counter()
            self._run(candidate)
            loops = self._loops[candidate] = max(1, min(1000, int(1e-3 / max(1e-7, time.perf_counter() - t))))
        t = time.perf_counter()
        for _ in range(loops):
            self._run(candidate)
        return (time.perf_counter() - t) / loops


def _right(candidate: str, call: Callable, args: tuple, kwargs: dict, reference, took: dict[str, float]) -> bool:
    """Does the candidate run at all, and are its numbers the native ones? ``took``: the host's seconds of its run."""
    c, fresh = native(), tuple(_clone(a) for a in args)  # operators may write their arguments
    before = c.call_count()
    c.tune_force(candidate)
    begin = time.perf_counter()
    try:
        got = call(*fresh, **kwargs)
    finally:
        took[candidate] = time.perf_counter() - begin
        c.tune_force("auto")
    if c.call_count() == before:
        return False
    if not _agrees(got, reference, call, args, kwargs):
        warnings.warn(f"flag_gems: numbers of {candidate} differ from the native ones: not measured, please report", stacklevel=3)
        return False
    return True


def measure(
    entry: shapes.ShapeEntry,
    device: str,
    dtype: torch.dtype,
    rounds: int = 15,
    seconds: float = 1.0,
    model: cost_model.CostModel | None = None,
    halve: bool = True,
) -> Measured:
    """Compiles what the entry needs and times our kernels and the native one for it, in turns, ``seconds`` long at most.
    ``model``: says which ones (None: all); ``halve``: slow ones leave before the end."""

    def undecided(note: str) -> Measured:
        return Measured(entry, "", "", {}, 0, note)

    call, args, kwargs = shapes.build(entry, device, dtype)
    took: dict[str, float] = {}
    first, second = (tuple(_clone(a) for a in args) for _ in range(2))  # operators may write their arguments
    c = native()
    with torch.no_grad(), jit.using("sync"):
        c.tune_trace(True)
        try:
            before = c.call_count()
            c.tune_force("own")
            begin = time.perf_counter()
            own = call(*first, **kwargs)
            took["own"] = time.perf_counter() - begin
        finally:
            c.tune_force("auto")
            seen = c.tune_trace(False)
        if c.call_count() == before:
            return undecided("runs natively: " + c.last_fallback())
        buckets = sorted({(op, bucket) for op, bucket, _ in seen})
        if len(buckets) != 1:
            return undecided(f"made of {len(buckets)} of our calls" if buckets else "our kernel isn't asked")
        op, bucket = buckets[0]
        names = next(names for o, b, names in seen if (o, b) == buckets[0])
        if any(r.op == op and r.custom for r in gems().table.rows):
            return undecided("has no native kernel")
        c.tune_force("native")
        begin = time.perf_counter()
        try:
            reference = call(*second, **kwargs)
        finally:
            took["native"] = time.perf_counter() - begin
            c.tune_force("auto")
        if not _agrees(own, reference, call, args, kwargs):
            return undecided("our numbers differ from the native ones: not tuned, please report")
        names = ["native", *names]
        chosen = model.worth_measuring(op, bucket, names, environment(device).device) if model else names
        chosen = [n for n in chosen if n in ("native", "own") or _right(n, call, args, kwargs, reference, took)]
        seen = took if torch.device(device).type == "cpu" else {}  # a GPU's host doesn't wait
        times = race(_Timer(call, args, kwargs, device).seconds, chosen, rounds, seconds, halve, seen)
    found = {name: (statistics.median(v) * 1e6, _spread(v)) for name, v in times.items()}
    return Measured(entry, op, bucket, found, min(map(len, times.values())), "", len(names))


def records_of(results: Iterable[Measured], env: tune.TuneEnv) -> list[tune.TuneRecord]:
    now, out = int(time.time()), []
    for m in results:
        if m.decided:
            for name, (us, spread) in m.times.items():
                out.append(tune.TuneRecord(m.op, m.bucket, name, *env[:3], "", env.library, us, spread, m.rounds, now))
    return out


def choices_of(records: Iterable[tune.TuneRecord], env: tune.TuneEnv) -> list[tuple[str, str, str]]:
    """(op, bucket, candidate) of exactly this environment. Ours needs a lead of two per cent; equal is native."""
    by_bucket: dict[tuple[str, str], dict[str, float]] = {}
    for r in records:
        if r.env == env:
            by_bucket.setdefault((r.op, r.bucket), {})[r.candidate] = r.median_us
    out = []
    for (op, bucket), times in by_bucket.items():
        if {"own", "native"} <= set(times):
            out.append((op, bucket, best(times)))
    return out


def apply(records: Iterable[tune.TuneRecord], device: str) -> int:
    """From now on calls run as these records decide; how many buckets that are. Replaces earlier decisions."""
    return native().tune_choices(choices_of(list(records), environment(device)))


def use_folder(folder: str | os.PathLike) -> list[str]:
    """Kernels and decisions of a tuned folder hold from now on; returns what can't be used, and why."""
    from . import cache

    root = Path(folder)
    problems = verify_folder(root, files=False)
    if (root / KERNELS).is_dir():
        why = cache.add_pack(root)
        if why:
            problems.append(f"kernels of {root} aren't used: {why}")
    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    guesses = guesses_for(root, environment("cuda").device) if "cuda" in devices else []
    if not (root / RECORDS).is_file():
        _tuning.use_folder([], guesses)
        return problems
    read = tune.read_file(root / RECORDS)
    problems += read.problems
    choices: list[tuple[str, str, str]] = []
    for device in devices:
        choices += choices_of(read.records, environment(device))
    if read.records and not choices:
        r = read.records[0]
        problems.append(
            f"none of the {len(read.records)} records of {root} is of this machine: they are of {r.device!r}, {r.compiler!r}, "
            f"this is {' and '.join(repr(tuple(environment(d)[:3])) for d in devices)}; calls run untuned"
        )
    _tuning.use_folder(choices, guesses)
    return problems


# ---- what a cost model expects on GPUs that aren't here (packs.py)


class Guess(NamedTuple):
    place: str  # "sm_90, 132 SM": what the planners look at; no driver or compiler is known
    op: str
    bucket: str
    candidate: str


def place_of(device: str) -> str:
    """The part of a device's description that decides what its planners do."""
    found = re.search(r"sm_\d+, \d+ SM", device)
    return found[0] if found else device


def read_guesses(folder: str | os.PathLike) -> list[Guess]:
    """Of this version of the library; a line that can't be read is left out: it decides speed, not numbers."""
    out = []
    with contextlib.suppress(OSError):
        for line in (Path(folder) / GUESSES).read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(ValueError, TypeError):
                data = json.loads(line)
                if data.pop("library") == __version__:
                    out.append(Guess(**data))
    return out


def guesses_for(folder: str | os.PathLike, device: str) -> list[tuple[str, str, str]]:
    return [g[1:] for g in read_guesses(folder) if g.place == place_of(device)]


def write_guesses(folder: Path, new: Iterable[Guess]) -> None:
    """Adds to what the folder has; a later guess about the same call replaces the earlier one."""
    all_ = {g[:3]: g for g in [*read_guesses(folder), *new]}
    part = folder / f".{GUESSES}.part"
    part.write_text("".join(json.dumps({"library": __version__, **g._asdict()}) + "\n" for g in all_.values()), encoding="utf-8")
    os.replace(part, folder / GUESSES)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_manifest(folder: Path, env: tune.TuneEnv | None, entries: int, seconds: float) -> None:
    """``env``: of the records; None: nothing was measured now, and what the folder says already stays."""
    from .packs import makers

    measured = env._asdict() if env else None
    if env is None:
        with contextlib.suppress(OSError, ValueError):
            measured = json.loads((folder / MANIFEST).read_text(encoding="utf-8")).get("environment")
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != MANIFEST and not p.name.startswith("."))
    data = {
        "format": FORMAT,
        "library": __version__,
        "environment": measured,
        "kernels": makers(folder),  # compiler and architecture
        "entries": entries,
        "seconds": round(seconds, 1),
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "files": {str(p.relative_to(folder)): _sha256(p) for p in files},
    }
    part = folder / f".{MANIFEST}.part"
    part.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    os.replace(part, folder / MANIFEST)


def verify_folder(folder: str | os.PathLike, env: tune.TuneEnv | None = None, files: bool = True) -> list[str]:
    """What is wrong with a tuned folder, each with what to do. ``env``: it must be made for it; ``files``: read each one."""
    root = Path(folder)
    again = f"; make it again with `flag-gems pretune --output {root}`"
    try:
        data = json.loads((root / MANIFEST).read_text(encoding="utf-8"))
        listed = dict(data["files"])
    except FileNotFoundError:
        return [f"{root} has no {MANIFEST}: it isn't a tuned folder, or pre-tuning was interrupted{again}"]
    except (OSError, ValueError, KeyError, TypeError) as e:
        return [f"{root / MANIFEST} can't be read ({e}){again}"]
    problems = []
    if data.get("format") != FORMAT:
        problems.append(f"{root} has format {data.get('format')}, this version reads {FORMAT}{again}")
    if data.get("library") != __version__:
        problems.append(f"{root} was made by version {data.get('library')}, this is {__version__}: it isn't used{again}")
    for name, wanted in listed.items() if files else ():
        path = root / name
        if not path.is_file():
            problems.append(f"{path} is missing{again}")
        elif _sha256(path) != wanted:
            problems.append(f"{path} was changed{again}")
    if files and (root / RECORDS).is_file():
        problems += tune.read_file(root / RECORDS).problems
    if env is not None and data.get("environment") != env._asdict():
        made = data.get("environment") or {}
        differs = [f"{k} {made.get(k)!r}, here {v!r}" for k, v in env._asdict().items() if made.get(k) != v]
        problems.append(f"{root} was made for another machine ({'; '.join(differs)}): its records aren't used{again}")
    return problems


def pretune(
    entries: list[shapes.ShapeEntry],
    output: str | os.PathLike,
    device: str,
    dtype: torch.dtype = torch.float32,
    budget: float | None = None,
    say: Callable[[str], None] = print,
    done: Callable[[int], None] = lambda n: None,
    exhaustive: bool = False,
) -> list[Measured]:
    """Measures each entry and writes the folder. A second run goes on where an interrupted one stopped: what the folder's records
    decide already isn't measured again. ``budget``: seconds; what doesn't fit is left out and said. ``exhaustive``: all
    candidates of each call are measured, not only those that the cost model, which learns as it goes, finds promising."""
    root = Path(output)
    root.mkdir(parents=True, exist_ok=True)
    env = environment(device)
    done_file = root / RECORDS
    known = {(r.op, r.bucket): r for r in (tune.read_file(done_file).records if done_file.exists() else []) if r.env == env}
    results: list[Measured] = []
    begin = time.perf_counter()
    store = tune.Store("")  # memory; the file is written after each entry
    if done_file.exists():
        store.put(tune.read_file(done_file).records)
    model, fresh = (None if exhaustive else cost_model.default().extended(store.all())), []
    per_entry = min(1.0, (budget or 60.0) / max(1, len(entries)) / 2)
    for i, entry in enumerate(entries):
        done(i)
        spent = time.perf_counter() - begin
        if budget is not None and i and spent + spent / i > budget:
            say(f"budget of {budget:.0f} s: {len(entries) - i} entries are left out; run again to go on with them")
            break
        left = f", about {spent / i * (len(entries) - i):.0f} s left" if i else ""
        bucket = _bucket_of(entry, device, dtype)
        if bucket in known:
            say(f"[{i + 1}/{len(entries)}] {entry.describe()}: known from an earlier run")
            continue
        if model and len(fresh) >= max(cost_model.LEAST_CALLS, len(model.calls) // 4):  # growing trees takes its time
            model, fresh = model.extended(records_of(fresh, env)), []
        m = measure(entry, device, dtype, seconds=per_entry, model=model)
        results.append(m)
        if m.decided:
            fresh.append(m)
            store.put(records_of([m], env))
            tune.export(store, done_file)
            say(f"[{i + 1}/{len(entries)}] {entry.describe()}: {m.describe()}{left}")
        else:
            say(f"[{i + 1}/{len(entries)}] {entry.describe()}: {m.note}{left}")
    if not done_file.exists():
        tune.export(store, done_file)
    store.close()
    write_manifest(root, env, len(entries), time.perf_counter() - begin)
    return results


def _bucket_of(entry, device, dtype) -> tuple[str, str] | None:
    """The bucket of an entry's call, without our kernel running: for what is known already."""
    call, args, kwargs = shapes.build(entry, device, dtype)
    c = native()
    c.tune_trace(True)
    c.tune_force("native")
    try:
        with torch.no_grad():
            call(*args, **kwargs)
    except RuntimeError:
        pass
    finally:
        c.tune_force("auto")
        seen = c.tune_trace(False)
    return seen[0][:2] if seen else None  # what follows are calls that the native kernel itself makes


def prewarm(
    what: str | os.PathLike | Iterable | Callable,
    device: str | None = None,
    dtype: torch.dtype = torch.float32,
    timeout: float = 600.0,
) -> int:
    """Compiles the kernels of a list of calls before they are needed; returns how many are still missing after ``timeout``
    seconds (0: all are there).

    ``what``: a shape file, a list of its entries (``shapes.ShapeEntry``), or a function without arguments, such as
    ``lambda: model.generate(ids, max_new_tokens=2)``, whose calls are looked at while it runs on the native kernels.
    """
    from . import device as default_device
    from ._api import use_gems

    device = device or default_device
    with use_gems(), torch.no_grad():
        if callable(what):
            what()
        else:
            for entry in shapes.load(what) if isinstance(what, (str, os.PathLike)) else what:
                call, args, kwargs = shapes.build(entry, device, dtype)
                call(*args, **kwargs)
        begin, left = time.perf_counter(), jit.pending()
        total = left
        with Progress("compiling kernels", total, lines=False, file=sys.stderr) as progress:
            while left and time.perf_counter() - begin < timeout:
                progress.at(total - left)
                left = jit.wait(0.2)
    return left
