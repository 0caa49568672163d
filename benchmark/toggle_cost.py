#!/usr/bin/env python3
"""Cost of enable(), disable(), of entering and leaving use_gems(), and of `import flag_gems` after torch."""

import subprocess
import sys
import time

import torch

import flag_gems
from common import arguments, header, median, show, write_json

IMPORT = "import time, torch; t = time.perf_counter(); import flag_gems; print(time.perf_counter() - t)"


def clock(fn) -> float:
    t = time.perf_counter()
    fn()
    return time.perf_counter() - t


def block() -> None:
    with flag_gems.use_gems():
        pass


def main() -> int:
    ap = arguments(__doc__, "toggle_cost")
    ap.add_argument("--rounds", type=int, default=51)
    args = ap.parse_args()
    torch.ones(1)
    first = clock(flag_gems.enable)
    operators = len(flag_gems.all_registered_keys())
    flag_gems.disable()
    enables, disables = [], []
    for _ in range(args.rounds):
        enables.append(clock(flag_gems.enable))
        disables.append(clock(flag_gems.disable))
    cold = clock(block)
    blocks = [clock(block) for _ in range(args.rounds)]
    flag_gems.enable()
    nested = [clock(block) for _ in range(args.rounds)]
    flag_gems.disable()
    imports = [
        float(subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True).stdout) for _ in range(5)
    ]
    rows = [
        ["first enable()", first * 1e6, "5 ms"],
        ["enable(), median", median(enables) * 1e6, "5 ms"],
        ["disable(), median", median(disables) * 1e6, "5 ms"],
        ["use_gems() in and out, first", cold * 1e6, ""],
        ["use_gems() in and out, median", median(blocks) * 1e6, "100 us"],
        ["the same while enabled, median", median(nested) * 1e6, "100 us"],
        ["import flag_gems after torch, median of 5", median(imports) * 1e6, "300 ms"],
    ]
    print(f"{operators} ATen overloads")
    show(["", "us", "goal"], rows)
    write_json(args.out, {**header(), "overloads": operators, "us": {r[0]: round(r[1], 2) for r in rows}})
    return 0


if __name__ == "__main__":
    sys.exit(main())
