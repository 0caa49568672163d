#!/usr/bin/env python3
"""What tuning costs a call on the host: the look-up of a decision, and a call that online tuning measures. On small tensors.

These are differences of two large numbers: on a shared machine only minima mean anything."""

import os
import sys
import tempfile
import time

os.environ.setdefault("GEMS_TUNE_DB", os.path.join(tempfile.mkdtemp(), "tune.sqlite"))  # nobody else's records, nobody gets these

import torch

import flag_gems
from common import arguments, header, show, write_json
from flag_gems import tune
from flag_gems._native import native

OPS = "neg exp cos sin tanh sqrt abs floor ceil round erf sigmoid log log2 reciprocal rsqrt".split()


def passes(calls, n: int) -> float:
    """Seconds a call, of the fastest pass."""
    best = 1e9
    for _ in range(n):
        t = time.perf_counter()
        for f, x in calls:
            f(x)
        best = min(best, (time.perf_counter() - t) / len(calls))
    return best


def main() -> int:
    ap = arguments(__doc__, "tune_lookup")
    ap.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    ap.add_argument("--rounds", type=int, default=30)
    args = ap.parse_args()
    flag_gems.enable()
    c = native()
    # One call of each bucket a pass: operators x powers of two.
    calls = [(getattr(torch, op), torch.rand(1 << i, device=args.device)) for op in OPS for i in range(9)]
    sync = torch.cuda.synchronize if args.device == "cuda" else lambda: None
    c.tune_trace(True)
    passes(calls, 1)
    buckets = [(op, bucket) for op, bucket, _ in c.tune_trace(False)]
    best = dict.fromkeys(("heuristic", "decided", "decided, online", "own", "native", "measured"), 1e9)

    def keep(name, seconds):
        best[name] = min(best[name], seconds)
        sync()

    with torch.inference_mode():
        for _ in range(args.rounds):
            c.tune_choices([])
            keep("heuristic", passes(calls, 5))
            for name in ("own", "native"):
                c.tune_force(name)
                keep(name, passes(calls, 5))
            c.tune_force("auto")
            c.tune_choices([(op, bucket, "own") for op, bucket in buckets])
            keep("decided", passes(calls, 5))
            tune.set_mode("online")
            c.tune_choices([(op, bucket, "own") for op, bucket in buckets])
            keep("decided, online", passes(calls, 5))
            c.tune_choices([])
            passes(calls, 4)  # three that are counted, one that lists the candidates
            before = time.perf_counter()
            t = passes(calls, 2)
            if time.perf_counter() - before < 0.04 and tune.progress().decided == 0:  # nothing was judged meanwhile
                keep("measured", t)
            tune.set_mode("off")
    half = (best["own"] + best["native"]) / 2
    rows = [
        ["heuristic: a call of ours, no decisions", best["heuristic"] * 1e9, ""],
        ["decided: look-up", best["decided"] * 1e9, (best["decided"] - best["heuristic"]) * 1e9],
        ["decided, mode online: look-up", best["decided, online"] * 1e9, (best["decided, online"] - best["heuristic"]) * 1e9],
        ["half ours, half native, unmeasured", half * 1e9, ""],
        ["measured (half of each)", best["measured"] * 1e9, (best["measured"] - half) * 1e9],
    ]
    show(["call", "ns", "more, ns"], [[n, round(a), b if b == "" else round(b)] for n, a, b in rows])
    write_json(args.out, {**header(), "device": args.device, "ns": {k: round(v * 1e9, 1) for k, v in best.items()}})
    return 0


if __name__ == "__main__":
    sys.exit(main())
