"""Packs of compiled kernels for architectures that needn't be here (``flag-gems pretune --arch sm_80,sm_90a``).

Each entry of a shape file is called once for each model of an architecture with CUDA tensors that have sizes, strides and an
aligned address but no memory: the call takes its real way through torch's dispatcher, binding and planner, up to the kernels that
it needs. Those are compiled by NVRTC and stored under the key that a process on such a device looks up. No GPU, and no CUDA in
torch, is needed.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch

from . import shapes
from ._api import gems, use_gems
from ._native import native
from .cost_model import CostModel
from .pretune import Guess, place_of
from .progress import Progress

PLANNED = 127  # GEMS_PLANNED_DEVICE


@contextlib.contextmanager
def phantoms(index: int = PLANNED):
    """Inside, CUDA tensors lie on cuda:index and have no memory. Of the whole process; nothing may use a real GPU meanwhile."""
    c, state = native(), gems().state
    c.phantoms(index)
    try:
        c.register(state.registered)
        yield
    finally:
        c.phantoms(-1)
        c.register(state.registered)


def tensor(spec: shapes.TensorSpec, dtype: torch.dtype, device: str) -> torch.Tensor:
    strides = spec.strides
    if strides is None:
        strides, step = [], 1
        for n in reversed(spec.shape):
            strides.insert(0, step)
            step *= max(n, 1)
    return torch.ops.aten.empty_strided.default(list(spec.shape), list(strides), dtype=spec.dtype or dtype, device=device)


def call(entry: shapes.ShapeEntry, dtype: torch.dtype, index: int = PLANNED) -> None:
    """Makes the entry's call inside ``phantoms(index)``; a native kernel in it is a RuntimeError."""
    function, args, kwargs = shapes.build(entry, f"cuda:{index}", dtype, tensor)
    if "device" in kwargs and "." not in entry.op:  # torch.arange(...) itself would start CUDA
        function = getattr(torch.ops.aten, entry.op)
    with torch.no_grad():
        function(*args, **kwargs)


class Pack(NamedTuple):
    arch: str
    kernels: set[str]  # keys
    native: list[tuple[shapes.ShapeEntry, str]]  # entries that run natively there, wholly or from some point on, and why
    guesses: list[Guess]  # which candidates the cost model expects to win there, where that isn't the heuristic's


class Built(NamedTuple):
    packs: list[Pack]
    compiled: int
    known: int  # from an earlier run
    failed: list[str]
    left: int  # for want of time


def build(
    entries: list[shapes.ShapeEntry],
    archs: list[str],
    dtype: torch.dtype = torch.bfloat16,
    budget: float | None = None,
    say: Callable[[str], None] | None = None,
    model: CostModel | None = None,
) -> Built:
    """Compiles what ``entries`` need on ``archs`` into this process' cache folder (GEMS_CACHE_DIR). ValueError: an architecture
    that NVRTC or this library doesn't know. ``budget``: seconds; ``model``: chooses among the variants of our kernels, whose
    code then is in the pack beside that of the heuristic's choice."""
    c = native()
    own_only = {r.op for r in gems().table.rows if r.custom}  # no native kernel: measuring doesn't decide these either
    begin, packs = time.perf_counter(), []
    counts, failed = {1: 0, 2: 0, 3: 0}, []

    def take() -> set[str]:
        asked = set()
        for kernel, key, state, error, _ in c.target_planned():
            if state == 0:
                asked.add(key)
            else:
                counts[state] += 1
            if state == 3:
                failed.append(f"{kernel}: {error}")
        return asked

    for arch in archs:
        c.target(arch, -1)  # all are known before the first is begun
    c.target(None)
    with phantoms(), use_gems(), Progress("compiling", 1) as progress:
        say = say or progress.say
        try:
            for arch in archs:
                pack = Pack(arch, set(), [], [])
                cards = c.target(arch, -1)
                for i, entry in enumerate(entries):
                    keys: set[str] = set()
                    why = ""
                    for card in range(cards):
                        c.target(arch, card)
                        take()
                        c.tune_trace(True)
                        try:
                            call(entry, dtype)
                        except RuntimeError as e:
                            why = c.last_fallback() or str(e).partition("\n")[0].partition(". ")[0]
                        finally:
                            seen = c.tune_trace(False)
                        keys |= take()
                        device = (c.environment(1, PLANNED) or "").partition("\n")[0]
                        for op, bucket, names in seen if model else ():
                            pick = "own" if op in own_only else model.choose(op, bucket, ["native", *names], device)
                            if pick == "own":
                                continue
                            pack.guesses.append(Guess(place_of(device), op, bucket, pick))
                            if pick != "native":
                                c.tune_force(pick)
                                try:
                                    with contextlib.suppress(RuntimeError):
                                        call(entry, dtype)
                                finally:
                                    c.tune_force("auto")
                                keys |= take()
                    if why or not keys:
                        pack.native.append((entry, why or "our kernel isn't asked"))
                    pack.kernels.update(keys)
                    note = f"{len(keys)} kernels" + (f"; runs natively: {why}" if why else "")
                    say(f"[{i + 1}/{len(entries)}] {arch} {entry.describe()}: {note}")
                packs.append(pack)
            total = sum(len(p.kernels) for p in packs)
            left = c.jit_pending(0.0)
            while left and (budget is None or time.perf_counter() - begin < budget):
                progress.at(total - left, total)
                left = c.jit_pending(0.2)
        finally:
            c.target(None)  # drops what isn't begun
            take()
    return Built(packs, counts[2], counts[1], failed, left)


def makers(folder: str | os.PathLike) -> list[str]:
    """What the kernels of a folder were made by and for: "nvrtc-13.5-sm_90a"."""
    kernels = Path(folder) / "kernels"
    return sorted(p.name.removeprefix("made-by-") for p in kernels.glob("made-by-*")) if kernels.is_dir() else []
