#!/usr/bin/env python3
"""Memory-bound operators on the GPU against the copy rate of the same run, native beside ours.

Each case is captured into a CUDA graph that calls it on several sets of tensors, together far larger than the L2 cache, so
every call finds a cold cache and no host time is measured. Graphs of both sides are replayed in turns.
"""

import sys

import torch
import torch.nn.functional as F

import flag_gems
from common import arguments, header, median, show, write_json

FOOTPRINT = 1 << 30  # bytes that one replay touches at least: 17 times the 60 MB L2 of an H200
GOAL = 0.90


def rand(*shape):
    return torch.randn(*shape, device="cuda", dtype=torch.bfloat16)


def cases():
    """name -> (make arguments, call, bytes read and written by one call)"""
    out = {}
    for r, c in ((16384, 8192), (4096, 4096)):
        n = 4 * r * c
        out[f"softmax {r}x{c}"] = (lambda r=r, c=c: (rand(r, c),), lambda x: torch.softmax(x, -1), n)
        out[f"rms_norm {r}x{c}"] = (lambda r=r, c=c: (rand(r, c), rand(c)), lambda x, w: F.rms_norm(x, w.shape, w, 1e-6), n)
        out[f"layer_norm {r}x{c}"] = (
            lambda r=r, c=c: (rand(r, c), rand(c), rand(c)),
            lambda x, w, b: F.layer_norm(x, w.shape, w, b),
            n,
        )
    out["add 16384x8192 + row"] = (lambda: (rand(16384, 8192), rand(8192)), torch.add, 4 * 16384 * 8192)
    out["add 8192x8192.t()"] = (lambda: (rand(8192, 8192).t(), rand(8192, 8192)), torch.add, 6 * 8192 * 8192)
    out["add 16384x8192"] = (lambda: (rand(16384, 8192), rand(16384, 8192)), torch.add, 6 * 16384 * 8192)
    out["silu 16384x8192"] = (lambda: (rand(16384, 8192),), F.silu, 4 * 16384 * 8192)
    out["sum(-1) 16384x8192"] = (lambda: (rand(16384, 8192),), lambda x: x.sum(-1), 2 * 16384 * 8192)
    return out


class Graph:
    """A captured graph of one call for each set of arguments."""

    def __init__(self, fn, sets):
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for a in sets[:2]:  # compiles and loads kernels, which a capture must not
                fn(*a)
        torch.cuda.current_stream().wait_stream(side)
        torch.cuda.synchronize()
        self.graph, self.calls = torch.cuda.CUDAGraph(), len(sets)
        before = flag_gems._debug_call_count()
        with torch.cuda.graph(self.graph):
            self.keep = [fn(*a) for a in sets]
        self.own = flag_gems._debug_call_count() - before

    def seconds(self) -> float:
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        self.graph.replay()
        end.record()
        end.synchronize()
        return begin.elapsed_time(end) / 1e3 / self.calls


def measure(make, fn, nbytes: int, rounds: int, sides=("native", "gems")) -> dict:
    sets = [make() for _ in range(max(2, -(-FOOTPRINT // nbytes)))]
    graphs, result = {}, {}
    for side in sides:
        (flag_gems.enable if side == "gems" else flag_gems.disable)()
        graphs[side] = Graph(fn, sets)
    flag_gems.disable()
    # The two sides see the same inputs; their values must agree, or the speed means nothing.
    if len(sides) == 2:
        for g in graphs.values():
            g.graph.replay()
        torch.cuda.synchronize()
        a, b = (graphs[s].keep[0].float() for s in sides)
        result["largest_difference"] = round((a - b).abs().max().item(), 6)
    times = {s: [] for s in sides}
    for i in range(rounds + 3):
        for s in sides:
            t = graphs[s].seconds()
            if i >= 3:
                times[s].append(t)
    for s in sides:
        result[f"{s}_us"] = round(median(times[s]) * 1e6, 2)
        result[f"{s}_gb_s"] = round(nbytes / median(times[s]) / 1e9)
    if "gems" in sides:
        result["ours"] = graphs["gems"].own >= len(sets)
    return result


def main() -> int:
    ap = arguments(__doc__, "gpu_bandwidth")
    ap.add_argument("--rounds", type=int, default=21)
    ap.add_argument("--only", default="", help="cases whose name contains this")
    args = ap.parse_args()

    def copy(src, dst):
        return dst.copy_(src)

    shape = (16384, 8192)
    with torch.inference_mode():
        reference = measure(lambda: (rand(*shape), rand(*shape)), copy, 4 * shape[0] * shape[1], args.rounds, ("native",))
        rate = reference["native_gb_s"]
        print(f"copy 16384x8192 bf16, native: {rate} GB/s read and written")
        out, rows = {**header(), "copy_gb_s": rate, "goal": GOAL, "cases": {}}, []
        for name, (make, fn, nbytes) in cases().items():
            if args.only not in name:
                continue
            r = measure(make, fn, nbytes, args.rounds)
            torch.cuda.empty_cache()
            r["of_copy"], r["speedup"] = round(r["gems_gb_s"] / rate, 3), round(r["native_us"] / r["gems_us"], 3)
            out["cases"][name] = r
            rows.append([name, r["native_us"], r["gems_us"], r["speedup"], r["native_gb_s"], r["gems_gb_s"], r["of_copy"],
                         "yes" if r["ours"] else "NO", r["largest_difference"]])  # fmt: skip
    show(
        [
            "bf16",
            "native us",
            "ours us",
            "speed-up",
            "native GB/s",
            "ours GB/s",
            f"of copy (>= {GOAL})",
            "ran on ours",
            "max diff",
        ],
        rows,
    )
    write_json(args.out, out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
