"""What every benchmark shares: the machine's description, interleaved timing, a table and a JSON file."""

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
os.environ.setdefault("GEMS_JIT", "sync")  # what is timed is our kernel, from its first call on


def machine() -> dict:
    """What a figure needs beside it to be comparable."""
    import torch

    cpu, flags = platform.machine(), ""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                cpu = line.split(":", 1)[1].strip()
            elif line.startswith("flags"):
                flags = line
                break
    except OSError:
        pass
    isa = "AVX-512" if "avx512f" in flags else "AVX2" if "avx2" in flags else "baseline"
    m = {"cpu": cpu, "cores": os.cpu_count(), "isa": isa, "torch_threads": torch.get_num_threads(), "system": platform.platform()}
    if torch.cuda.is_available():
        p = torch.cuda.get_device_properties(0)
        m["gpu"] = {"name": p.name, "capability": f"{p.major}.{p.minor}", "memory_gib": round(p.total_memory / 2**30, 1)}
        try:
            query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
            m["gpu"]["driver"] = subprocess.run(query, capture_output=True, text=True, timeout=20).stdout.split("\n")[0].strip()
        except (OSError, subprocess.TimeoutExpired):
            pass
    return m


def versions() -> dict:
    import torch

    v = {"python": platform.python_version(), "torch": torch.__version__, "cuda": torch.version.cuda}
    for name in ("transformers", "numpy"):
        try:
            v[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            pass
    gems = sys.modules.get("flag_gems")
    if gems is not None:
        v["flag_gems"] = getattr(gems, "__version__", "unknown")
    try:
        v["commit"] = subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, capture_output=True, text=True
        ).stdout.strip()
    except OSError:
        pass
    return {k: x for k, x in v.items() if x}


def header() -> dict:
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": versions(),
    }


def arguments(doc: str, name: str) -> argparse.ArgumentParser:
    ap = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument(
        "--out", type=Path, default=ROOT / "build" / "bench" / f"{name}.json", help="JSON result (default: %(default)s)"
    )
    return ap


def write_json(path: Path, data: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, indent=1) + "\n")
    print(f"\nwritten: {path}", flush=True)


def cell(value) -> str:
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"
    return str(value)


def show(heads: list[str], rows: list[list]) -> None:
    """Prints a table: text left, numbers right."""
    text = [[cell(c) for c in r] for r in rows]
    width = [max([len(h)] + [len(r[i]) for r in text]) for i, h in enumerate(heads)]
    print("  ".join(h.ljust(w) if i == 0 else h.rjust(w) for i, (h, w) in enumerate(zip(heads, width))))
    for r in text:
        print("  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(r, width))))
    sys.stdout.flush()


def loop_time(fn, n: int) -> float:
    """Seconds of one call, the mean over n in a row."""
    span = range(n)
    t = time.perf_counter()
    for _ in span:
        fn()
    return (time.perf_counter() - t) / n


def calibrate(fn, target_s: float = 0.01) -> int:
    """Repetitions that take about target_s."""
    n = 1
    while True:
        t = loop_time(fn, n) * n
        if t >= target_s / 4:
            return max(1, int(n * target_s / t))
        n *= 4


def interleaved(variants: dict, sample, rounds: int) -> dict[str, list[float]]:
    """Runs sample() for each variant in turn, `rounds` times, and returns the seconds of each.

    Neighbours on a shared machine slow both alike that way. `variants` maps a name to a function that enters the variant
    (enable, disable, nothing).
    """
    out = {name: [] for name in variants}
    for r in range(rounds + 1):
        for name, enter in variants.items():
            enter()
            t = sample()
            if r:  # the first round warms up
                out[name].append(t)
    return out


def median(times: list[float]) -> float:
    return statistics.median(times)


def spread(times: list[float]) -> float:
    """Half the distance between the quartiles, relative to the median."""
    if len(times) < 4:
        return 0.0
    q = statistics.quantiles(times, n=4)
    return (q[2] - q[0]) / 2 / statistics.median(times)
