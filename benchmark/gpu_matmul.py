#!/usr/bin/env python3
"""Matrix products on the GPU: ours forced for every shape (GEMS_MATMUL=own) beside native, and errors against float64.

Each case is captured into a CUDA graph that multiplies by several weights, together larger than the L2 cache, so every call
reads its weights from memory and no host time is measured. Graphs of both sides are replayed in turns.
backends/cuda/plan_matmul.cpp takes its limits (struct Limits) from this table. About a minute with an empty kernel cache.
"""

import os

os.environ["GEMS_MATMUL"] = "own"

import sys

import torch

import flag_gems
from common import arguments, header, median, show, write_json

FOOTPRINT = 4 << 28  # bytes of weights that one replay reads at least, but no more than MOST_SETS weights
MOST_SETS = 16
DECODE = [(2048, 2048), (8192, 2048), (2048, 8192), (4096, 4096), (11008, 4096), (4096, 11008), (32000, 4096), (128256, 2048)]
BF16, F16, F32, F64 = torch.bfloat16, torch.float16, torch.float32, torch.float64


def cases(quick: bool):
    """(n, k, dtype, weights are [n, k], list of m)"""
    for n, k in DECODE:
        yield n, k, BF16, True, (1, 2, 4, 8, 16)
    if quick:
        return
    for n, k in ((4096, 4096), (11008, 4096)):
        yield n, k, BF16, False, (1, 8, 16)
    yield 4096, 4096, F16, True, (1, 8)
    yield 4096, 4096, F32, True, (1, 4, 8, 16)
    yield 4096, 4096, F32, False, (1, 8)
    yield 4096, 4096, F64, True, (1, 64)
    yield 4096, 4096, BF16, True, (32, 64, 128, 512)
    for s in (64, 256, 512, 1024, 2048, 4096):
        yield s, s, BF16, True, (s,)
    yield 2048, 2048, BF16, False, (2048,)
    for s in (128, 512, 1024, 2048):
        yield s, s, F32, False, (s,)


class Graph:
    def __init__(self, x, weights):
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        before = flag_gems._debug_call_count()
        with torch.cuda.stream(side):
            torch.mm(x, weights[0])  # compiles and loads the kernel, which a capture must not
        torch.cuda.current_stream().wait_stream(side)
        torch.cuda.synchronize()
        self.own = flag_gems._debug_call_count() > before
        self.graph, self.calls = torch.cuda.CUDAGraph(), len(weights)
        with torch.cuda.graph(self.graph):
            self.out = [torch.mm(x, w) for w in weights]

    def seconds(self) -> float:
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        self.graph.replay()
        end.record()
        end.synchronize()
        return begin.elapsed_time(end) / 1e3 / self.calls


def error(out, x, w) -> float:
    want = x.double() @ w.double()
    return ((out.double() - want).norm() / want.norm()).item()


def measure(x, weights, rounds: int) -> dict:
    graphs, result = {}, {}
    for side in ("native", "gems"):
        (flag_gems.enable if side == "gems" else flag_gems.disable)()
        try:
            graphs[side] = Graph(x, weights)
        finally:
            flag_gems.disable()
    for side, g in graphs.items():
        for o in g.out:
            o.fill_(float("nan"))
        g.graph.replay()
        result[f"{side}_error"] = max(error(g.out[i], x, weights[i]) for i in {0, len(weights) - 1})
    times = {s: [] for s in graphs}
    for i in range(rounds + 2):
        for s, g in graphs.items():
            t = g.seconds()
            if i >= 2:
                times[s].append(t)
    for s in graphs:
        result[f"{s}_us"] = round(median(times[s]) * 1e6, 2)
    result["ours"] = graphs["gems"].own
    return result


def copy_rate() -> float:
    src, dst = torch.empty(1 << 30, dtype=torch.uint8, device="cuda"), torch.empty(1 << 30, dtype=torch.uint8, device="cuda")
    times = []
    for _ in range(7):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        dst.copy_(src)
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end) / 1e3)
    return 2 * src.numel() / median(times) / 1e9


def main() -> int:
    ap = arguments(__doc__, "gpu_matmul")
    ap.add_argument("--rounds", type=int, default=15)
    ap.add_argument("--quick", action="store_true", help="decoding shapes only")
    args = ap.parse_args()
    torch.manual_seed(0)
    out, rows, wrong = {**header(), "copy_gb_s": round(copy_rate()), "cases": []}, [], []
    print(f"native copy: {out['copy_gb_s']} GB/s read and written")
    with torch.inference_mode():
        for n, k, dtype, by_rows, ms in cases(args.quick):
            size = n * k * dtype.itemsize
            shape = (n, k) if by_rows else (k, n)
            sets = max(2, min(MOST_SETS, -(-FOOTPRINT // size)))
            weights = [torch.randn(shape, device="cuda", dtype=dtype) for _ in range(sets)]
            if by_rows:
                weights = [w.t() for w in weights]
            for m in ms:
                x = torch.randn(m, k, device="cuda", dtype=dtype)
                r = measure(x, weights, args.rounds)
                nbytes = size + (m * k + m * n) * dtype.itemsize
                name = f"{m}x{n}x{k} {str(dtype)[6:]} w[{'n,k' if by_rows else 'k,n'}]"
                r.update(case=name, speedup=round(r["native_us"] / r["gems_us"], 3))
                out["cases"].append(r)
                # Twice native's error, or rounding of the result where native's happens to be lower.
                good = r["ours"] and r["gems_error"] <= max(2 * r["native_error"], torch.finfo(dtype).eps)
                if not good:
                    wrong.append(name)
                rows.append([name, r["native_us"], r["gems_us"], r["speedup"], round(nbytes / r["native_us"] / 1e3),
                             round(nbytes / r["gems_us"] / 1e3), round(2e-6 * m * n * k / r["gems_us"], 1),
                             f"{r['native_error']:.1e}", f"{r['gems_error']:.1e}", "yes" if good else "NO"])  # fmt: skip
            del weights, x
            torch.cuda.empty_cache()
    heads = ["m x n x k", "native us", "ours us", "speed-up", "native GB/s", "ours GB/s", "ours TF/s"]
    heads += ["native error", "our error", "right"]
    show(heads, rows)
    if wrong:
        print(f"wrong, or not run by our kernels: {', '.join(wrong)}", file=sys.stderr)
    write_json(args.out, out)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
