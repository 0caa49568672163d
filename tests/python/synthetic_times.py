"""Times of candidates on a GPU that doesn't exist: bandwidth, bytes in flight, waves of blocks, launches; with noise."""

from __future__ import annotations

import itertools
import math
import random

from flag_gems import tune
from flag_gems.cost_model import candidate_features

DEVICE = "NVIDIA Example, sm_90, 132 SM"
SMS, TB_S, LATENCY = 132, 3.3e6, 0.7  # bytes/us, us
BYTES = {"bfloat16": 2, "float16": 2, "float32": 4}


def _memory(nbytes, blocks, in_flight, launches=1):
    """Bytes at the full rate, if enough are in flight; blocks in waves of four a multiprocessor."""
    waves = blocks / (4 * SMS)
    rate = min(TB_S, min(blocks, 4 * SMS) * in_flight / LATENCY)
    return launches * 1.8 + nbytes / rate * (math.ceil(waves) / waves if waves > 1 else 1) + 0.0007 * blocks / SMS


def pointwise(dtype, rows, cols, operands, tile, unroll, block):
    vector, depth, threads = 4 << (tile or 2), 1 << (unroll - 1) if unroll else 2, 64 << block if block else 256
    if depth * vector * operands > 256:
        return None
    nbytes = rows * cols * BYTES[dtype]
    return _memory(nbytes * (operands + 1), math.ceil(nbytes / vector / threads / depth), threads * vector * depth * operands)


def row(dtype, rows, cols, operands, tile, unroll, block):
    packs = cols * BYTES[dtype] / 16
    threads = (0, 8, 16, 32, 128, 256, 512, 1024)[tile] or (32 if packs <= 128 else 256 if rows > 1000 else 1024)
    if threads > 2 * packs or (threads < 128 and packs / threads > 16) or unroll == 3:
        return None
    a_block = max(threads, 64 << block if block else 128)
    nbytes = rows * cols * BYTES[dtype]
    passes = 2 if unroll == 1 else 1
    sync = 0.15 * math.log2(threads) * (1 if threads > 32 else 0.3)
    return sync + _memory(
        nbytes * (operands - 1 + passes),
        math.ceil(rows * threads / a_block),
        min(16 * a_block * 4, nbytes / rows * a_block / threads),
    )


def matmul(dtype, m, n, k, tile, unroll, split):
    th, tw = (0, 0, 16, 32, 64, 128, 64, 128)[tile] or (16 if m <= 16 else 64), (0, 0, 64, 64, 64, 128, 128, 64)[tile] or 64
    stages, parts = unroll + 1 if unroll else 4, 1 << (split - 1) if split else 4 if m <= 16 else 1
    if tile == 1 or stages * (th + tw) * 128 > 220_000 or k < 256 * parts:
        return None
    units = math.ceil(m / th) * math.ceil(n / tw) * parts
    waves = math.ceil(units / SMS) / (units / SMS)
    math_time = 2 * math.ceil(m / th) * th * n * k / (7e8 * (0.35 + 0.65 * min(1, th * tw / 8192))) * waves
    read = (m * k * math.ceil(n / tw) * 0.1 + n * k) * BYTES[dtype]
    rate = min(TB_S, min(units, SMS) * (stages - 1) * (th + tw) * 128 / LATENCY)
    return 2.5 + max(math_time, read / rate) + 0.4 * (parts > 1) + 0.05 * parts


FAMILIES = {"pointwise": (pointwise, (4, 4, 3)), "row": (row, (7, 3, 4)), "matmul": (matmul, (7, 5, 4))}
NAMES = {"pointwise": ("tile", "unroll", "block"), "row": ("tile", "unroll", "block"), "matmul": ("tile", "unroll", "split")}


def _bucket(family, dtype, operands, a, b, c=0):
    types = ",".join([dtype] * operands) + ">" + dtype
    if family == "matmul":
        return f"{types} m<={1 << (a - 1).bit_length()} n={b} k={c} b^T #0"
    return f"{types} numel<={1 << (a * b - 1).bit_length()} inner<={a * b if family == 'pointwise' else b} rank={1 + (family == 'row')} dense #0"


def calls():
    for op, operands in (("relu", 1), ("add", 2), ("gelu", 1)):
        for side in itertools.product((64, 1024, 4096, 16384), (64, 1024, 8192)):
            yield "pointwise", op, operands, *side
    for op, operands in (("softmax", 1), ("rms_norm", 2), ("layer_norm", 3)):
        for side in itertools.product((1, 64, 1024, 16384), (512, 2048, 4096, 8192)):
            yield "row", op, operands, *side
    for m in (1, 4, 16, 64, 128):
        for n, k in ((4096, 4096), (11008, 4096), (4096, 11008), (6144, 4096), (32000, 4096), (2048, 2048), (8192, 2048)):
            yield "matmul", "mm", 2, m, n, k


def records(
    noise: float = 0.015, seed: int = 0, dtypes=("bfloat16", "float32"), most: int = 30, device: str = DEVICE
) -> list[tune.TuneRecord]:
    rng, out = random.Random(seed), []
    for family, op, operands, *sizes in calls():
        function, knobs = FAMILIES[family]
        for dtype in dtypes:

            def cost(*knobs, f=function, d=dtype, s=sizes, n=operands, op=op):
                t = f(d, *s, *(() if f is matmul else (n,)), *knobs)
                # What a compiler makes of one operator's kernel with these knobs, whatever the size: up to 6 % either way.
                return t and t * (1 + 0.06 * random.Random(f"{op} {d} {knobs}").uniform(-1, 1))

            usual = cost(0, 0, 0)
            if usual is None:
                continue
            times = {
                "own": usual,
                "native": usual * (1.15 if family != "matmul" else 0.8 + 0.1 * math.log2(sizes[1] / sizes[0]) / 4),
            }
            combinations = sorted(itertools.product(*(range(k + 1) for k in knobs)), key=lambda k: sum(map(bool, k)))
            for k in combinations[1:]:
                t = cost(*k)
                if t is not None and len(times) < most + 2:
                    times["own:" + ",".join(f"{n}={v}" for n, v in zip(NAMES[family], k) if v)] = t
            bucket = _bucket(family, dtype, operands, *sizes)
            for name, t in times.items():
                assert any(candidate_features(name)) or name == "own"
                us = t * math.exp(rng.gauss(0, noise))
                out.append(tune.TuneRecord(op, bucket, name, device, "d", "c", "", "1", us, noise, 5, 1))
    return out
