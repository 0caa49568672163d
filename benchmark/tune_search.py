#!/usr/bin/env python3
"""How many candidates a tuner must measure: exhaustive search over a list of calls, then the cost model on calls it hasn't seen.

Every candidate of every call is timed (interleaved, medians; on a GPU by graph replay with cold L2). Then the calls are parted
into folds by operator and size; for each fold a model is trained from the other folds and says which quarter of the candidates
to measure. Reported per family: what that costs against exhaustive search, how far our heuristic and the native kernel are from
the best, and what the model's choice costs where nothing is measured. --records FILE evaluates an earlier run's records again.
"""

import math
import os
import random
import sys
import time
import warnings
from pathlib import Path

os.environ.setdefault("GEMS_JIT_THREADS", str(os.cpu_count() or 1))

import torch

import flag_gems
from common import arguments, header, show, write_json
from flag_gems import cost_model, jit, pretune, shapes, tune
from flag_gems._native import native
from flag_gems.shapes import ShapeEntry, TensorSpec

BF16, F16, F32 = torch.bfloat16, torch.float16, torch.float32


def _t(*shape, dtype=None, high=None, transposed=False):
    return TensorSpec(shape, dtype, (1, shape[0]) if transposed else None, high)


def entries(device: str) -> list[ShapeEntry]:
    """Calls that lie in different buckets, as far as their sizes allow."""
    gpu = device.startswith("cuda")
    out: list[ShapeEntry] = []
    ids = lambda n, high: _t(n, dtype=torch.int64, high=high)

    def add(op, dtype, *calls):
        out.extend(ShapeEntry(op, (call,) if isinstance(call, TensorSpec) else call, {}, dtype) for call in calls)

    grid = [(64, 64), (16, 4096), (256, 1024), (1024, 4096), (4096, 4096), (16384, 8192)]
    if not gpu:
        grid = [(64, 64), (16, 4096), (128, 256), (256, 1024), (1024, 1024), (1024, 4096)]
    for dtype, some in ((BF16, grid), (F32, grid[::2]), (F16, grid[1::3])):
        add("silu", dtype, *(_t(*s) for s in some))
        add("add", dtype, *((_t(*s), _t(*s)) for s in some))
        add("mul", dtype, *((_t(r, 2 * c), _t(2 * c)) for r, c in some[:-1]))
        add("div", dtype, *((_t(2 * r, c), _t(2 * r, 1)) for r, c in some[:-1]))
        add("sum", dtype, *((_t(*s), [-1]) for s in some))
        add("amax", dtype, *((_t(*s), [0]) for s in some))
        add("sum", dtype, *(_t(*s) for s in some[::2]))
    add("gelu", BF16, *(_t(*s) for s in grid[::2]))
    rows = [(1, 4096), (64, 2048), (1024, 512), (32, 32000), (2048, 4096), (16384, 8192)]
    if not gpu:
        rows = [(1, 4096), (64, 256), (64, 2048), (1024, 512), (8, 32000), (512, 4096)]
    for dtype, some in ((BF16, rows), (F32, rows[::2]), (F16, rows[1::3])):
        add("softmax", dtype, *((_t(*s), -1) for s in some))
        add("rms_norm", dtype, *((_t(r, c), {"value": [c]}, _t(c), 1e-6) for r, c in some))  # torch decides what eps=None means
        add("layer_norm", dtype, *((_t(r, c), {"value": [c]}, _t(c), _t(c)) for r, c in some))
        add("cumsum", dtype, *((_t(*s), -1) for s in some), *((_t(*s), 0) for s in some[1:]))
    for n, width in ((1, 4096), (64, 4096), (64, 1024), (512, 512), (2048, 2048), (4096, 4096)):
        for dtype in (BF16, F32):
            add("embedding", dtype, (ids(n, 32000), _t(32000, width)))
            add("index_select", dtype, (_t(4096, width // 2), 0, ids(n, 4096)), (_t(512, 4096), 1, ids(n, 4096)))
    weights = [(4096, 4096), (6144, 4096), (4096, 14336), (28672, 4096), (2048, 2048), (8192, 2048)]
    if not gpu:
        weights = [(512, 512), (1024, 1024), (2048, 1024), (1024, 2048), (2048, 2048)]
    for n, k in weights:
        add("mm", BF16, *((_t(m, k), _t(k, n, transposed=True)) for m in (1, 4, 16, 64, 128)))
    for n, k in weights[::2]:
        add("mm", F32, *((_t(m, k), _t(k, n, transposed=True)) for m in (1, 16, 128)))
        add("mm", F16, *((_t(m, k), _t(k, n)) for m in (8, 32)))
        add("addmm", BF16, *((_t(n), _t(m, k), _t(k, n)) for m in (2, 16, 128)))
    for b, m, n, k in ((32, 1, 128, 512), (32, 128, 128, 64), (8, 512, 512, 64), (64, 64, 64, 128), (16, 16, 1024, 128)):
        add("bmm", BF16, (_t(b, m, k), _t(b, k, n)))
    return [e._replace(args=tuple(a["value"] if isinstance(a, dict) else a for a in e.args)) for e in out]


def compile_all(todo: list[ShapeEntry], device: str) -> None:
    """Every candidate's kernel, on all cores: each call runs natively once and leaves itself to the compiler."""
    c = native()
    with torch.no_grad(), jit.using("async"):
        for e in todo:
            call, args, kwargs = shapes.build(e, device, F32)
            names, done = ["own"], 0
            while done < len(names):
                c.tune_trace(done == 0)
                c.tune_force(names[done])
                try:
                    call(*args, **kwargs)
                finally:
                    c.tune_force("auto")
                    seen = c.tune_trace(False)
                if done == 0 and seen:
                    names += [n for n in seen[0][2] if n != "own"]
                done += 1
        jit.wait(100)


def measure_all(
    todo: list[ShapeEntry], device: str, seconds: float, rounds: int
) -> tuple[list[tune.TuneRecord], list[str], dict]:
    begin, results, notes, heuristic = time.perf_counter(), [], [], {}
    for i, e in enumerate(todo):
        left = seconds - (time.perf_counter() - begin)
        if left <= 0:
            notes.append(f"{len(todo) - i} calls were left out: the time was up")
            break
        with warnings.catch_warnings(record=True) as wrong:
            warnings.simplefilter("always")
            m = pretune.measure(e, device, F32, rounds, seconds=2 * left / (len(todo) - i), halve=False)
        notes += [f"{e.describe()}: {w.message}" for w in wrong]
        if not m.decided:
            notes.append(f"{e.describe()}: {m.note}")
        elif m.bucket not in heuristic:
            results.append(m)
            call, args, kwargs = shapes.build(e, device, F32)
            before = native().call_count()
            with torch.no_grad():
                call(*args, **kwargs)
            heuristic[m.bucket] = "own" if native().call_count() > before else "native"
        if device != "cpu" and i % 20 == 19:
            torch.cuda.empty_cache()
    return pretune.records_of(results, pretune.environment(device)), notes, heuristic


def group_of(call: cost_model.Call) -> tuple[str, str]:
    """Calls of one operator and size go into one fold, whatever their types."""
    return call.op, call.bucket.partition(" ")[2].rpartition(" #")[0]


def held_out(calls: list[cost_model.Call], folds: int = 5, estimate: str = "trees", heuristic: dict | None = None) -> list[dict]:
    """A row for each call: what the model, trained without the call's fold, made of it. Ratios are to the fastest candidate."""
    groups = sorted({group_of(c) for c in calls})
    random.Random(0).shuffle(groups)
    fold_of = {g: i % folds for i, g in enumerate(groups)}
    out = []
    for fold in range(folds):
        model = cost_model.CostModel((c for c in calls if fold_of[group_of(c)] != fold), estimate)
        for c in (c for c in calls if fold_of[group_of(c)] == fold and "native" in c.times):
            names, best = list(c.times), min(c.times.values())
            begin = time.perf_counter()
            taken = model.worth_measuring(c.op, c.bucket, names, c.device)
            took = time.perf_counter() - begin
            chosen = model.choose(c.op, c.bucket, names, c.device)
            usual = (heuristic or {}).get(c.bucket, "own")
            row = {"op": c.op, "bucket": c.bucket, "family": cost_model.family_of(c.op), "predict_ms": took * 1e3}
            row |= {"candidates": len(names), "measured": len(taken), "loss": min(c.times[n] for n in taken) / best}
            out.append(row | {k: c.times[n] / best for k, n in (("auto", usual), ("native", "native"), ("chosen", chosen))})
    return out


def mean(values) -> float:
    """Geometric."""
    return math.exp(sum(map(math.log, values)) / len(values))


def summary(rows: list[dict]) -> list[dict]:
    """Of each family, and of all calls that have more than three candidates: where there is something to leave out."""
    parts = {f: [r for r in rows if r["family"] == f] for f in sorted({r["family"] for r in rows})}
    parts["all with > 3"] = [r for r in rows if r["candidates"] > 3] or rows
    out = []
    for name, part in parts.items():
        if not part:
            continue
        s = {"family": name, "calls": len(part), "candidates": sum(r["candidates"] for r in part) / len(part)}
        s["share"] = sum(r["measured"] for r in part) / sum(r["candidates"] for r in part)
        for key in ("loss", "auto", "native", "chosen"):
            s[key], s[f"{key}_worst"] = mean([r[key] for r in part]), max(r[key] for r in part)
        out.append(s)
    return out


def report(calls: list[cost_model.Call], folds: int, heuristic: dict) -> dict:
    rows = held_out(calls, folds, heuristic=heuristic)
    table = summary(rows)
    heads = [
        "family",
        "calls",
        "candidates",
        "share",
        "loss",
        "worst",
        "heuristic",
        "worst",
        "native",
        "worst",
        "unmeasured",
        "worst",
    ]
    percent = lambda x: f"{100 * (x - 1):.1f} %"
    ratios = [f"{k}{w}" for k in ("loss", "auto", "native", "chosen") for w in ("", "_worst")]
    counts = lambda s: [s["family"], s["calls"], round(s["candidates"], 1), f"{100 * s['share']:.0f} %"]
    show(heads, [[*counts(s), *(percent(s[r]) for r in ratios)] for s in table])
    print("share: of candidates measured; others: time above the fastest candidate's, geometric mean and worst, when the model")
    print("picks what is measured (loss), for the library without tuning, the native kernel,")
    print("and the model's choice without a measurement")
    estimates = {"trees": table[-1]["loss"]}
    for name in ("near", "both"):
        estimates[name] = summary(held_out(calls, folds, estimate=name))[-1]["loss"]
    print("loss by estimate: " + ", ".join(f"{k} {percent(v)}" for k, v in estimates.items()))
    times = sorted(r["predict_ms"] for r in rows)
    print(f"a question to the model: {times[len(times) // 2]:.1f} ms (median)")
    return {"families": table, "loss_by_estimate": estimates, "predict_ms": times[len(times) // 2], "calls": rows}


def main() -> int:
    ap = arguments(__doc__, "tune_search")
    ap.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    ap.add_argument("--seconds", type=float, default=180, help="for measuring; compilation comes before (default: %(default)s)")
    ap.add_argument("--rounds", type=int, default=5)
    ap.add_argument("--folds", type=int, default=5)
    ap.add_argument("--only", default="", help="operators, parted by commas")
    ap.add_argument("--records", type=Path, nargs="*", help="evaluate these files' records; nothing is measured")
    ap.add_argument("--model", type=Path, help="write the model of all records, as it ships in src/flag_gems/models/")
    args = ap.parse_args()
    result, notes, heuristic = header(), [], {}
    if args.records:
        records = [r for path in args.records for r in tune.read_file(path).records]
    else:
        flag_gems.enable()
        torch.manual_seed(0)
        todo = [e for e in entries(args.device) if not args.only or e.op in args.only.split(",")]
        random.Random(0).shuffle(todo)  # if the time is short every family gets its share
        begin = time.perf_counter()
        if args.device != "cpu":
            compile_all(todo, args.device)
        result["compile_s"] = round(time.perf_counter() - begin, 1)
        records, notes, heuristic = measure_all(todo, args.device, args.seconds, args.rounds)
        result["measure_s"] = round(time.perf_counter() - begin - result["compile_s"], 1)
        print(f"{len(todo)} calls, {len(records)} candidates: compiled in {result['compile_s']} s, "
              f"timed in {result['measure_s']} s")  # fmt: skip
        store = tune.Store("")
        store.put(records)
        args.out.parent.mkdir(parents=True, exist_ok=True)
        tune.export(store, args.out.with_suffix(".jsonl"))
    for note in notes:
        print(f"  {note}")
    calls = cost_model.calls_of(records)
    if not calls:
        print("no call has times to compare", file=sys.stderr)
        return 1
    result.update(
        device=sorted({c.device for c in calls}), notes=notes, heuristic=heuristic, **report(calls, args.folds, heuristic)
    )
    if args.model:
        args.model.parent.mkdir(parents=True, exist_ok=True)
        cost_model.CostModel(calls).save(args.model)
    write_json(args.out, result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
