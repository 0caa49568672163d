#!/usr/bin/env python3
"""Indexing, scatters, moved copies and compaction on the GPU against the copy rate of the same run, native beside ours.

Cases that need no answer from the device are captured into CUDA graphs over sets of arguments beyond L2 (gpu_bandwidth.py);
nonzero, masked_select and their kind wait for their count, so calls are timed one by one with their host side.
"""

import sys
import time

import torch
import torch.nn.functional as F
from gpu_bandwidth import measure, rand

import flag_gems
from common import arguments, header, median, show, write_json

GOAL = 0.75
R, C, N = 32768, 4096, 16384  # a table of 256 MiB of bfloat16, and how many of its rows are looked up


def index(n, *shape):
    return torch.randint(0, n, shape, device="cuda")


def graph_cases():
    """name -> (make arguments, call, bytes read and written by one call)"""
    rows, matrix = 4 * N * C, 2 * 8192 * 8192
    return {
        "index_select rows": (lambda: (rand(R, C), index(R, N)), lambda x, i: x.index_select(0, i), rows),
        "index_select columns": (lambda: (rand(8192, 8192), index(8192, 8192)), lambda x, i: x.index_select(1, i), 2 * matrix),
        "embedding": (lambda: (rand(R, C), index(R, 8, N // 8)), lambda x, i: F.embedding(i, x), rows),
        "embedding int32": (lambda: (rand(R, C), index(R, N).int()), lambda x, i: F.embedding(i, x), rows),
        "x[i]": (lambda: (rand(R, C), index(R, N)), lambda x, i: x[i], rows),
        "x[i, j] rows of 128": (
            lambda: (rand(1024, 1024, 128), index(1024, 1 << 19), index(1024, 1 << 19)),
            lambda x, i, j: x[i, j],
            (4 * 128 + 16) << 19,
        ),
        "gather dim 1": (
            lambda: (rand(8192, 8192), index(8192, 8192, 8192)),
            lambda x, i: x.gather(1, i),
            2 * matrix + 8 * 8192 * 8192,
        ),
        "gather dim 0": (
            lambda: (rand(8192, 8192), index(8192, 8192, 8192)),
            lambda x, i: x.gather(0, i),
            2 * matrix + 8 * 8192 * 8192,
        ),
        "take": (lambda: (rand(8192, 8192), index(8192 * 8192, 1 << 24)), lambda x, i: x.take(i), 12 << 24),
        "index_copy rows": (
            lambda: (rand(N, C), torch.randperm(N, device="cuda"), rand(N, C)),
            lambda x, i, s: x.index_copy_(0, i, s),
            rows,
        ),
        "x[i] = v": (
            lambda: (rand(N, C), torch.randperm(N, device="cuda"), rand(N, C)),
            lambda x, i, s: x.index_put_((i,), s),
            rows,
        ),
        "index_fill rows": (
            lambda: (rand(N, C), torch.randperm(N, device="cuda")),
            lambda x, i: x.index_fill_(0, i, 1.0),
            rows // 2,
        ),
        "index_add rows": (lambda: (rand(N, C), index(N, N), rand(N, C)), lambda x, i, s: x.index_add(0, i, s), 10 * N * C),
        "scatter_add dim 1": (
            lambda: (rand(4096, 8192), index(8192, 4096, 8192), rand(4096, 8192)),
            lambda x, i, s: x.scatter_add(1, i, s),
            18 * 4096 * 8192,
        ),
        "scatter_add float": (
            lambda: (torch.zeros(4096, 8192, device="cuda"), index(8192, 4096, 8192), torch.randn(4096, 8192, device="cuda")),
            lambda x, i, s: x.scatter_add(1, i, s),
            28 * 4096 * 8192,
        ),
        "scatter_reduce amax": (
            lambda: (rand(4096, 8192), index(8192, 4096, 8192), rand(4096, 8192)),
            lambda x, i, s: x.scatter_reduce(1, i, s, "amax"),
            18 * 4096 * 8192,
        ),
        "flip 0": (lambda: (rand(8192, 8192),), lambda x: x.flip(0), 2 * matrix),
        "flip 1": (lambda: (rand(8192, 8192),), lambda x: x.flip(1), 2 * matrix),
        "roll 1": (lambda: (rand(8192, 8192),), lambda x: x.roll(5, 1), 2 * matrix),
        "reflection_pad2d": (
            lambda: (rand(16, 2048, 2048),),
            lambda x: F.pad(x, (3, 3, 3, 3), mode="reflect"),
            4 * 16 * 2048 * 2048,
        ),
        "reflection_pad2d_backward": (
            lambda: (rand(16, 2054, 2054), rand(16, 2048, 2048)),
            lambda g, x: torch.ops.aten.reflection_pad2d_backward(g, x, [3, 3, 3, 3]),
            4 * 16 * 2048 * 2048,
        ),
        "repeat": (lambda: (rand(2048, 2048),), lambda x: x.repeat(4, 4), 2 * 17 * 2048 * 2048),
        "x.t().contiguous()": (lambda: (rand(8192, 8192),), lambda x: x.t().contiguous(), 2 * matrix),
    }


def waiting_cases():
    x, m = rand(8192, 8192), torch.rand(8192, 8192, device="cuda") < 0.5
    few = m & (torch.rand(8192, 8192, device="cuda") < 0.01)
    s, counts = rand(8192 * 8192), torch.randint(0, 16, (1 << 20,), device="cuda")
    n = x.numel()
    return {
        "nonzero, half": (lambda: m.nonzero(), n + 8 * n),
        "nonzero, 1 in 200": (lambda: few.nonzero(), n + n // 12),
        "masked_select, half": (lambda: x.masked_select(m), 4 * n),
        "x[m]": (lambda: x[m], 4 * n),
        "masked_scatter": (lambda: x.masked_scatter(m, s), 6 * n),
        "repeat_interleave": (lambda: counts.repeat_interleave(counts), 16 << 23),
        "small nonzero": (lambda: m[:8, :8].nonzero(), 64),
        "small masked_select": (lambda: x[:8, :8].masked_select(m[:8, :8]), 64),
    }


def timed(fn, rounds):
    times = []
    for _ in range(rounds):
        torch.cuda.synchronize()
        begin = time.perf_counter()
        fn()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - begin)
    return median(times)


def main() -> int:
    ap = arguments(__doc__, "gpu_index")
    ap.add_argument("--rounds", type=int, default=15)
    ap.add_argument("--only", default="", help="cases whose name contains this")
    args = ap.parse_args()
    flag_gems.jit.set_mode("sync")  # the first call of a kernel compiles it
    shape = (16384, 8192)
    with torch.inference_mode():
        reference = measure(
            lambda: (rand(*shape), rand(*shape)),
            lambda src, dst: dst.copy_(src),
            4 * shape[0] * shape[1],
            args.rounds,
            ("native",),
        )
        rate = reference["native_gb_s"]
        print(f"copy 16384x8192 bf16, native: {rate} GB/s read and written")
        out, rows = {**header(), "copy_gb_s": rate, "goal": GOAL, "cases": {}}, []
        for name, (make, fn, nbytes) in graph_cases().items():
            if args.only not in name:
                continue
            r = measure(make, fn, nbytes, args.rounds)
            torch.cuda.empty_cache()
            r["of_copy"], r["speedup"] = round(r["gems_gb_s"] / rate, 3), round(r["native_us"] / r["gems_us"], 3)
            out["cases"][name] = r
            rows.append(
                [
                    name,
                    r["native_us"],
                    r["gems_us"],
                    r["speedup"],
                    r["gems_gb_s"],
                    r["of_copy"],
                    "yes" if r["ours"] else "NO",
                    r["largest_difference"],
                ]
            )
        for name, (fn, nbytes) in waiting_cases().items():
            if args.only not in name:
                continue
            want = fn()
            with flag_gems.use_gems():
                before = flag_gems._debug_call_count()
                same = torch.equal(fn(), want)  # compiles
                own = flag_gems._debug_call_count() > before
            times = {"native": [], "gems": []}
            for _ in range(args.rounds):
                times["native"].append(timed(fn, 3))
                with flag_gems.use_gems():
                    times["gems"].append(timed(fn, 3))
            native, gems = median(times["native"]), median(times["gems"])
            out["cases"][name] = {"native_us": native * 1e6, "gems_us": gems * 1e6, "equal": same, "ours": own}
            rows.append(
                [
                    name,
                    round(native * 1e6, 1),
                    round(gems * 1e6, 1),
                    round(native / gems, 3),
                    round(nbytes / gems / 1e9),
                    round(nbytes / gems / 1e9 / rate, 3),
                    "yes" if own else "NO",
                    0 if same else "DIFFERS",
                ]
            )
    show(["bf16", "native us", "ours us", "speed-up", "ours GB/s", f"of copy (>= {GOAL})", "ran on ours", "max diff"], rows)
    write_json(args.out, out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
