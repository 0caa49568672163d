#!/usr/bin/env python3
"""Fails when a room includes or imports what it may not see (docs/design.md, "Rooms and arrows").

usage: check_arrows.py [FILE...]        without files: everything that git knows
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TORCH = ("torch/", "ATen/", "c10/", "caffe2/")
PYTHON = ("Python.h", "pybind11/", "nanobind/")
CHIP = ("cuda.h", "cuda_runtime", "nvrtc.h", "cuda_", "hip/", "cublas")

# kernels/simt/<family>_args.cuh: plain structs.
SHARED_ARGS = tuple(f"kernels/simt/{f}_args.cuh" for f in ("pointwise", "team", "index", "matmul", "sort"))

# Room -> which of our own folders its files may include, and which foreign headers they may not. The longest prefix rules.
ALLOWED = {
    "include/": (("gems/",), TORCH + PYTHON + CHIP),
    "core/": (("gems/", "core/", "op_table.inc", "op_hash.h", "gen/"), TORCH + PYTHON + CHIP),
    "kernels/": (("kernels/", "gems/op.h", "gems/dtype.h"), TORCH + PYTHON),
    # The CPU skeletons speak the C vtable's types (gems_scalar) to their driver.
    "kernels/simd/": (("kernels/", "gems/"), TORCH + PYTHON + CHIP),
    "ops/": (("kernels/lang/", "ops/"), TORCH + PYTHON + CHIP),
    "backends/cpu/": (
        ("gems/", "kernels/simd/", "kernels/lang/", "backends/cpu/", "op_table.inc", "op_hash.h"),
        TORCH + PYTHON + CHIP,
    ),
    # Argument structs are read by the host that fills them and by the kernel text.
    "backends/cuda/": (("gems/", "backends/cuda/", *SHARED_ARGS), TORCH + PYTHON),
    "bindings/torch/": (("gems/", "core/", "bindings/torch/"), CHIP),
}
OURS = ("gems/", "core/", "kernels/", "ops/", "backends/", "bindings/", "op_table.inc", "op_hash.h", "gen/")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]')
# A .op.h names its skeleton through its family alone, so a system header there would reach NVRTC.
NO_SYSTEM = ("ops/", "kernels/lang/", "kernels/simt/")


def room_of(name: str) -> str | None:
    found = [r for r in ALLOWED if name.startswith(r)]
    return max(found, key=len) if found else None


def resolve(name: str, target: str) -> str:
    """An include name as a path from the root: beside the file, below include/, or from the root."""
    beside = (ROOT / name).parent / target
    if "/" not in target and beside.exists():
        return beside.relative_to(ROOT).as_posix().removeprefix("include/")
    return target.removeprefix("include/")


def check_cpp(name: str, text: str) -> list[str]:
    room = room_of(name)
    if room is None:
        return []
    mine, foreign = ALLOWED[room]
    bad = []
    for i, line in enumerate(text.splitlines(), 1):
        m = INCLUDE.match(line)
        if not m:
            continue
        target = resolve(name, m[2])
        if target.startswith(OURS):
            if not target.startswith(mine):
                bad.append(f"{name}:{i}: {room} may not include {target}")
        elif target.startswith(foreign):
            bad.append(f"{name}:{i}: {room} may not include {target}")
        elif m[1] == "<" and name.startswith(NO_SYSTEM):
            bad.append(f"{name}:{i}: device text may not include the system header <{target}>")
    return bad


IMPORT = re.compile(r"^\s*(?:from\s+([\w.]+)\s+import|import\s+([\w.]+))")


def check_python(name: str, text: str) -> list[str]:
    """The package imports neither its tests, nor tools, nor a compiler; torch only, and what torch brings."""
    if not name.startswith("src/flag_gems/"):
        return []
    refused = ("tests", "benchmark", "examples", "tools", "triton", "transformers", "pytest")
    return [
        f"{name}:{i}: the package may not import {m[1] or m[2]}"
        for i, line in enumerate(text.splitlines(), 1)
        if (m := IMPORT.match(line)) and (m[1] or m[2]).split(".")[0] in refused
    ]


def main() -> int:
    names = sys.argv[1:]
    if not names:
        out = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
        )
        names = out.stdout.splitlines()
    bad, seen = [], 0
    for name in names:
        path = ROOT / name
        if not path.is_file():
            continue
        if path.suffix in (".h", ".cuh", ".cu", ".cpp", ".inc"):
            seen += 1
            bad += check_cpp(name, path.read_text())
        elif path.suffix == ".py":
            seen += 1
            bad += check_python(name, path.read_text())
    print("\n".join(bad + [f"arrows: {seen} files, {len(bad)} point up"]))
    return 1 if bad or not seen else 0


if __name__ == "__main__":
    sys.exit(main())
