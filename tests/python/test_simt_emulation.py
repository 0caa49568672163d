"""The GPU kernels of reduce, row and scan, run on the host: planners, grids, barriers and arithmetic, without a GPU."""

import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
FLAGS = ["-std=c++20", "-O1", "-Wno-unknown-pragmas", "-Wno-attributes"]
PLANNERS = ["row", "reduce", "scan"]


def compile_cases(folder, name, *defines):
    sources = [ROOT / "tests/simt/cases.cpp", *(ROOT / f"backends/cuda/plan_{p}.cpp" for p in PLANNERS)]
    includes = [f"-I{folder}", f"-I{ROOT}", f"-I{ROOT}/include"]
    subprocess.run(["g++", *FLAGS, *includes, *defines, *map(str, sources), "-o", str(folder / name)], check=True)
    return folder / name


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
def test_emulated_kernels(tmp_path):
    headers = [h for f in (*PLANNERS, "fused") for h in sorted((ROOT / "ops" / f).glob("*.op.h"))]
    (tmp_path / "simt_ops.inc").write_text("".join(f'#include "{h.relative_to(ROOT)}"\n' for h in headers))
    # First the planners say which kernels the cases need, then exactly those are compiled in.
    asked = subprocess.run([compile_cases(tmp_path, "list", "-DLIST")], capture_output=True, text=True, check=True).stdout
    kernels = [line.split(" | ") for line in asked.splitlines()]
    assert len(kernels) > 150
    table = "".join(
        f'{{"{args} | {body}", [](const void* p) {{ const {args}& a = *(const {args}*)p; {body} }}, sizeof({args})}},\n'
        for args, body, _ in kernels
    )
    (tmp_path / "simt_kernels.inc").write_text(f"static const Entry kKernels[] = {{\n{table}}};\n")
    done = subprocess.run([compile_cases(tmp_path, "emulated")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert ", 0 failures" in done.stdout
    assert int(re.search(r"(\d+) variants", done.stdout)[1]) > 100
