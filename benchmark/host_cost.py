#!/usr/bin/env python3
"""Host cost of one call from Python on tensors so small that nothing else counts: native against ours, in turns, one process."""

import sys

import torch
import torch.nn.functional as F

import flag_gems
from common import arguments, calibrate, header, interleaved, loop_time, median, show, spread, write_json

GOAL = {"cpu": 0.75, "cuda": 0.95}


def cpu_cases():
    x, y = torch.randn(16), torch.randn(16)
    return {
        "add 16": lambda: torch.add(x, y),
        "relu 16": lambda: torch.relu(x),
        "mul scalar 16": lambda: torch.mul(x, 2.0),
    }


def cuda_cases():
    def rand(*s):
        return torch.randn(*s, device="cuda", dtype=torch.bfloat16)

    a, b, m, w, p, q = rand(64), rand(64), rand(4, 64), rand(64), rand(16, 64), rand(64, 64)
    return {
        "add 64": lambda: torch.add(a, b),
        "silu 64": lambda: F.silu(a),
        "softmax 4x64": lambda: torch.softmax(m, -1),
        "rms_norm 4x64": lambda: F.rms_norm(m, (64,), w, 1e-6),
        "sum 4x64": lambda: m.sum(-1),
        "mm 16x64x64": lambda: torch.mm(p, q),
    }


def measure(fn, cuda: bool, rounds: int) -> dict:
    # A queue on the GPU holds about a thousand launches; beyond that the host waits for the GPU and the time is not its own.
    n = 200 if cuda else calibrate(fn)

    def sample():
        fn()
        t = loop_time(fn, n)
        if cuda:
            torch.cuda.synchronize()
        return t

    before = flag_gems._debug_call_count()
    times = interleaved({"native": flag_gems.disable, "gems": flag_gems.enable}, sample, rounds)
    calls = flag_gems._debug_call_count() - before
    flag_gems.disable()
    nat, own = median(times["native"]), median(times["gems"])
    return {
        "native_ns": round(nat * 1e9, 1),
        "gems_ns": round(own * 1e9, 1),
        "ratio": round(own / nat, 3),
        "ratio_of_minima": round(min(times["gems"]) / min(times["native"]), 3),
        "spread": round(max(spread(t) for t in times.values()), 3),
        "ours": calls >= n * rounds,
    }


def main() -> int:
    ap = arguments(__doc__, "host_cost")
    ap.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    ap.add_argument("--rounds", type=int, default=41)
    args = ap.parse_args()
    cuda = args.device == "cuda"
    out = {**header(), "device": args.device, "goal": GOAL[args.device], "cases": {}}
    rows = []
    with torch.inference_mode():
        for threads in [torch.get_num_threads()] if cuda else sorted({torch.get_num_threads(), 1}, reverse=True):
            torch.set_num_threads(threads)
            for name, fn in (cuda_cases() if cuda else cpu_cases()).items():
                r = measure(fn, cuda, args.rounds)
                out["cases"][f"{name}, {threads} threads"] = r
                rows.append(
                    [
                        name,
                        threads,
                        r["native_ns"],
                        r["gems_ns"],
                        r["ratio"],
                        r["ratio_of_minima"],
                        r["spread"],
                        "yes" if r["ours"] else "NO",
                    ]
                )
    show(
        ["call", "threads", "native ns", "ours ns", f"ratio (<= {GOAL[args.device]})", "of minima", "spread", "ran on ours"], rows
    )
    write_json(args.out, out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
