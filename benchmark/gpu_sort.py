#!/usr/bin/env python3
"""Sorting, selecting and scanning operators, native and ours in turns: on a GPU, or with --device=cpu on a CPU (two threads).

Times of one call, its allocations included; values of both sides are compared first.
"""

import sys
import time

import torch

import flag_gems
from common import arguments, header, median, show, write_json


def cases(device, big):
    g = torch.Generator(device).manual_seed(1)

    def x(*shape, dtype=torch.float32):
        return torch.randn(*shape, generator=g, device=device).to(dtype)

    def ints(*shape, hi=1000):
        return torch.randint(0, hi, shape, generator=g, device=device)

    shapes = [(64, 4096), (4096, 4096)][: 1 + big]
    if device == "cuda":
        shapes += [(64, 131072), (1, 1 << 24)]
    for r, c in shapes:
        name = f"{r}x{c}"
        a, flat = x(r, c), x(r * c)
        yield f"sort {name}", lambda a=a: torch.sort(a)
        yield f"sort bf16 {name}", lambda a=a.bfloat16(): torch.sort(a)
        if r > 1:
            yield f"sort dim0 {name}", lambda a=a: torch.sort(a, dim=0)
        yield f"sort int64 {name}", lambda a=ints(r, c, hi=1 << 40): torch.sort(a)
        yield f"topk64 {name}", lambda a=a: torch.topk(a, 64)
        yield f"topk1 {name}", lambda a=a: torch.topk(a, 1)
        yield f"kthvalue {name}", lambda a=a, k=c // 3: torch.kthvalue(a, k, 1)
        yield f"median_dim1 {name}", lambda a=a: torch.median(a, 1)
        yield f"mode {name}", lambda a=ints(r, c): torch.mode(a, 1)
        yield f"argmax {name}", lambda a=a: torch.argmax(a, 1)
        yield f"cummax {name}", lambda a=a: torch.cummax(a, 1)
        yield f"cumsum {name}", lambda a=a: torch.cumsum(a, 1)
        yield f"cumsum dim0 {name}", lambda a=a: torch.cumsum(a, 0)
        yield f"logcumsumexp {name}", lambda a=a: torch.logcumsumexp(a, 1)
        yield f"median {name}", lambda a=a: torch.median(a)
        yield f"unique int64 {name}", lambda a=ints(r, c): torch.unique(a)
        yield f"unique int64 wide {name}", lambda a=ints(r, c, hi=1 << 40): torch.unique(a)
        yield f"unique float inverse {name}", lambda a=flat: torch.unique(a, return_inverse=True)
        yield f"isin int64 {name}", lambda a=ints(r, c), b=ints(100): torch.isin(a, b)
        yield f"isin int64 wide {name}", lambda a=ints(r, c, hi=1 << 40), b=ints(5000, hi=1 << 40): torch.isin(a, b)
        yield f"searchsorted {name}", lambda a=a, b=x(1000).sort().values: torch.searchsorted(b, a)
        yield f"bincount {name}", lambda a=ints(r * c): torch.bincount(a)
        yield f"histc {name}", lambda a=a: torch.histc(a, 100, -4, 4)
        yield f"nonzero {name}", lambda a=a > 0: torch.nonzero(a)
        yield f"masked_select {name}", lambda a=a, m=a > 0: torch.masked_select(a, m)


def seconds(fn, device, repeat):
    if device == "cpu":
        start = time.perf_counter()
        for _ in range(repeat):
            fn()
        return (time.perf_counter() - start) / repeat
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    begin.record()
    for _ in range(repeat):
        fn()
    end.record()
    end.synchronize()
    return begin.elapsed_time(end) / 1e3 / repeat


def values(result):
    return result if isinstance(result, torch.Tensor) else result[0]


def main() -> int:
    ap = arguments(__doc__, "gpu_sort")
    ap.add_argument("--device", default="cuda")
    ap.add_argument("--rounds", type=int, default=9)
    ap.add_argument("--small", action="store_true", help="only 64x4096 (and the long rows of a GPU)")
    ap.add_argument("--only", default="", help="cases whose name contains this")
    args = ap.parse_args()
    if args.device == "cpu":
        torch.set_num_threads(2)
    out, rows = {**header(), "cases": {}}, []
    for name, fn in cases(args.device, not args.small):
        if args.only not in name:
            continue
        flag_gems.disable()
        try:
            want = values(fn())
        except RuntimeError as e:
            print(f"{name}: native: {str(e).splitlines()[0][:100]}")
            continue
        flag_gems.reset_stats()
        with flag_gems.use_gems():
            got = values(fn())
        own = sum(s.own_calls for s in flag_gems.stats())
        same = torch.allclose(got.double(), want.double(), rtol=1e-4, atol=1e-3)
        del want, got
        repeat = max(1, min(50, int(0.02 / max(seconds(fn, args.device, 1), 1e-6))))
        times = {"native": [], "gems": []}
        for i in range(args.rounds + 1):
            for side in times:
                (flag_gems.enable if side == "gems" else flag_gems.disable)()
                t = seconds(fn, args.device, repeat)
                if i:
                    times[side].append(t)
        flag_gems.disable()
        n, o = (median(times[s]) * 1e6 for s in ("native", "gems"))
        out["cases"][name] = {"native_us": n, "gems_us": o, "own": own, "same": same}
        print(f"{name}: {n:.0f} {o:.0f} us", flush=True)
        rows.append([name, n, o, n / o, "yes" if own else "NO", "yes" if same else "NO"])
    show(["operator", "native us", "ours us", "speed-up", "ours ran", "same values"], rows)
    write_json(args.out, out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
