#!/usr/bin/env python3
"""Matrix products on the CPU, ours and native in turns: the thin products of decoding, prefill sizes, batches, tiny ones.

Weights of the decode and rows cases rotate over 256 MB so that they come from memory, as in a model that doesn't fit the cache.
GB/s counts each operand once. A row marked "native" was handed back: our plan says that native is faster there.
GEMS_MATMUL=own forces our kernels.
"""

import itertools

import torch

import flag_gems
from common import arguments, calibrate, header, loop_time, median, show, spread, write_json

ROTATE = 256 << 20
DECODE = [(1, 576, 576), (1, 192, 576), (1, 1536, 576), (1, 576, 1536), (1, 49152, 576), (1, 4096, 4096)]
FLOATS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def cases():
    """(name, dtype, (batch, m, n, k), weights as linear has them?, rotate?)"""
    for name in FLOATS:
        for m, n, k in DECODE:
            yield "decode", name, (0, m, n, k), True, True
        for m in (4, 8, 16, 32, 64, 128):
            yield "rows", name, (0, m, 1536, 576), True, True
        yield "[k, n] weights", name, (0, 1, 4096, 4096), False, True
        yield "matrix . vector", name, (0, 4096, 1, 4096), False, True
        yield "q . k^T", name, (9, 1, 512, 64), True, False
        yield "p . v", name, (9, 1, 64, 512), False, False
        yield "tiny", name, (0, 16, 16, 16), False, False
        yield "square", name, (0, 512, 512, 512), False, False
    for name in ("float64", "int64", "int32", "int8"):
        yield "decode", name, (0, 1, 1536, 576), True, True
        yield "square", name, (0, 256, 256, 256), False, False


def tensor(shape, dtype):
    if dtype.is_floating_point:
        return torch.randn(shape).to(dtype)
    return torch.randint(-9, 9, shape, dtype=dtype)


def operands(dtype, size, linear, rotate):
    batch, m, n, k = size
    lead = (batch,) if batch else ()
    a = tensor(lead + (m, k), dtype)
    b = tensor(lead + ((n, k) if linear else (k, n)), dtype)
    large = a if m > n else b
    copies = max(1, min(64, ROTATE // (large.numel() * large.element_size()))) if rotate else 1
    pairs = []
    for _ in range(copies):
        x, w = (a.clone(), b) if m > n else (a, b.clone())
        pairs.append((x, w.transpose(-1, -2) if linear else w))
    return pairs


def rotation(product, pairs):
    take = itertools.cycle(pairs).__next__
    return lambda: product(*take())


def main():
    ap = arguments(__doc__, "cpu_matmul")
    ap.add_argument("--rounds", type=int, default=9, help="samples of each side (default: %(default)s)")
    ap.add_argument("--threads", type=int, default=2, help="default: %(default)s")
    ap.add_argument("--only", default="", help="cases whose name or dtype contains this")
    args = ap.parse_args()
    torch.set_num_threads(args.threads)
    out = header()
    rows, results = [], []
    for name, dtype, size, linear, rotate in cases():
        if args.only not in f"{name} {dtype}":
            continue
        pairs = operands(getattr(torch, dtype), size, linear, rotate)
        call = rotation(torch.bmm if size[0] else torch.mm, pairs)
        with torch.inference_mode():
            times = {"native": [], "ours": []}
            n = calibrate(call)
            for r in range(args.rounds + 1):
                native = loop_time(call, n)
                with flag_gems.use_gems():
                    call()
                    count = flag_gems._debug_call_count()
                    call()
                    own = flag_gems._debug_call_count() > count
                    ours = loop_time(call, n)
                if r:  # the first round warms up
                    times["native"].append(native)
                    times["ours"].append(ours)
        a, b = pairs[0]
        batch, m, n_, k = size
        moved = (a.numel() + b.numel() + max(batch, 1) * m * n_) * a.element_size()
        flops = 2 * max(batch, 1) * m * n_ * k
        ours, native = median(times["ours"]), median(times["native"])
        shape = (f"{batch} x " if batch else "") + f"{m} x {n_} x {k}"
        rows.append(
            [f"{name} {dtype} {shape}", "ours" if own else "native", native * 1e6, ours * 1e6, native / ours]
            + [moved / native / 1e9, moved / ours / 1e9, flops / native / 1e9, flops / ours / 1e9, spread(times["ours"])]
        )
        results.append({"case": name, "dtype": dtype, "shape": shape, "own_kernel": own, "seconds": times})
    heads = ["case, m x n x k", "runs", "native us", "ours us", "ratio"]
    show(heads + ["native GB/s", "ours GB/s", "native GFLOP/s", "ours GFLOP/s", "spread"], rows)
    write_json(args.out, out | {"threads": args.threads, "cases": results})


if __name__ == "__main__":
    main()
