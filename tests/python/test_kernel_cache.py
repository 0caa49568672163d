"""The kernel cache from Python, and its keys: kernels of real headers are compiled by NVRTC, without a GPU and without torch."""

import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from flag_gems import _native, cache

ROOT = Path(__file__).resolve().parents[2]

# Compiles (or takes from the cache) all kernels of some operators for sm_90 through the CUDA backend's planners and prints one line
# for each. The two functions of the core have C++ names.
COMPILE = """
import ctypes, json, sys
lib, ops = sys.argv[1], sys.argv[2:]
core = ctypes.CDLL(lib + "/libgems_core.so", ctypes.RTLD_GLOBAL)
core._ZN4gems12load_backendEPKc((lib + "/libgems_cuda.so").encode())
find = core._ZN4gems7op_findEPKc
find.restype = ctypes.c_void_p
class Report(ctypes.Structure):
    _fields_ = [(n, ctypes.c_char_p) for n in ("call", "body", "error", "unit")]
    _fields_ += [(n, ctypes.c_int) for n in ("refused", "registers", "spill", "shared", "code")]
    _fields_ += [("seconds", ctypes.c_double), ("key", ctypes.c_char_p), ("cached", ctypes.c_int)]
SEEN = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.POINTER(Report))
def seen(_, p):
    r = p.contents
    error = (r.error or b"").decode()
    key = (r.key or b"").decode()
    print(json.dumps([op, r.call.decode(), key, bool(r.cached), error, r.code, r.seconds]))
cuda = ctypes.CDLL(lib + "/libgems_cuda.so")
for op in ops:
    check = cuda.gems_cuda_compile_check
    check.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int, SEEN, ctypes.c_void_p]
    if check(find(op.encode()), 90, 256, SEEN(seen), None) < 0:
        print("null")
"""
OPS = ("silu", "relu", "any", "tril")  # two pointwise operators, a reduction, a creation: 13 small kernels


def start(folder, kernels, ops=OPS, **env):
    env = {k: v for k, v in os.environ.items() if not k.startswith("GEMS_CACHE") and k != "GEMS_PACK_DIRS"} | {
        "GEMS_CACHE_DIR": str(folder),
        "GEMS_KERNEL_DIR": str(kernels),
        "GEMS_NVRTC_DIRS": os.environ.get("GEMS_NVRTC_DIRS") or ":".join(_native.nvrtc_dirs()),
        **env,
    }
    command = [sys.executable, "-c", COMPILE, str(_native.LIB_DIR), *ops]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process):
    """{key: (op, call, cached, seconds)}"""
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    lines = [json.loads(line) for line in out.splitlines()]
    if None in lines:
        pytest.skip("there is no NVRTC here")
    assert lines and not any(error for *_, error, _, _ in lines), out
    return {key: (op, call, cached, seconds) for op, call, key, cached, _, _, seconds in lines}


def compiled(kernels):
    return sorted({op for op, _, cached, _ in kernels.values() if not cached})


def copy_of_the_texts(to):
    for part in ("kernels", "ops", "include"):
        shutil.copytree(ROOT / part, to / part)
    return to


def append(path):
    with open(path, "a") as f:
        f.write("\n// changed\n")


def test_a_changed_header_recompiles_exactly_its_dependents(tmp_path):
    tree = copy_of_the_texts(tmp_path / "tree")
    folder = tmp_path / "cache"
    # Two processes on an empty cache compile each kernel once between them, and agree on the keys.
    first, second = (finish(p) for p in [start(folder, tree), start(folder, tree)])
    assert first.keys() == second.keys()
    assert all(a[2] != b[2] for a, b in zip(first.values(), second.values()))
    assert {p.name for p in (folder / "kernels").iterdir() if len(p.name) == 64} == first.keys()
    assert {op for op, *_ in first.values()} == set(OPS)

    again = finish(start(folder, tree))
    assert compiled(again) == [] and again.keys() == first.keys()
    seconds = statistics.median(s for *_, s in again.values())
    print(f"from the cache, with its key: {1e3 * seconds:.2f} ms a kernel")
    assert seconds < 2e-3

    for header, dependents in [
        ("ops/pointwise/silu.op.h", ["silu"]),
        ("kernels/simt/create.cuh", ["tril"]),
        ("kernels/simt/pointwise.cuh", ["relu", "silu"]),
        ("kernels/lang/base.h", sorted(OPS)),
        ("ops/pointwise/gelu.op.h", []),
        ("README.md", []),
    ]:
        append(tree / header)
        assert compiled(finish(start(folder, tree))) == dependents, header

    # Where the texts and the cache lie, and when they were written, is no part of a key; a cache is a pack.
    moved = tmp_path / "elsewhere" / "deeper"
    shutil.copytree(tree, moved)
    shutil.copytree(folder, tmp_path / "pack")
    elsewhere = finish(start(tmp_path / "empty", moved, GEMS_PACK_DIRS=str(tmp_path / "pack")))
    assert compiled(elsewhere) == []
    assert not (tmp_path / "empty").exists()


PYTHON = """
import json, os, sys
from flag_gems import cache
from flag_gems._native import native
folder = os.environ["GEMS_CACHE_DIR"]
kernels = os.path.join(folder, "kernels")
i = cache.info()
assert i["folder"] == kernels and i["why"] == "" and i["entries"] == 2 and i["limit_bytes"] == 7 << 20, i
assert i["packs"] == [] and set(i["stats"]) == set(cache.stats()), i
assert [os.path.basename(b.path) for b in cache.verify()] == ["b" * 64], cache.verify()
assert cache.verify()[0].why == "isn't a kernel cache entry"
assert "doesn't exist" in cache.verify(folder + "-none")[0].why
assert "doesn't exist" in cache.add_pack(folder + "-none")
assert cache.add_pack(sys.argv[1]) == ""
assert [p["folder"] for p in cache.info()["packs"]] == [sys.argv[1]]
assert cache.trim(1) == (0, 0)
removed = cache.clear()
assert removed.entries == 2 and removed.bytes == 400 and not cache.verify()
try:
    cache.trim(-1)
except ValueError:
    print("done")
"""


def test_python_functions(tmp_path, subprocess_env):
    folder = tmp_path / "cache" / "kernels"
    folder.mkdir(parents=True, mode=0o700)
    (tmp_path / "cache").chmod(0o700)
    for name in "ab":
        (folder / (name * 64)).write_bytes(bytes(200))
        (folder / (name * 64)).chmod(0o600)
    (folder / ("a" * 64)).write_bytes(entry("a" * 64))
    pack = tmp_path / "pack"
    pack.mkdir(mode=0o700)
    env = {**subprocess_env, "GEMS_CACHE_DIR": str(tmp_path / "cache"), "GEMS_CACHE_MAX_MB": "7"}
    env.pop("GEMS_PACK_DIRS", None)
    r = subprocess.run([sys.executable, "-c", PYTHON, str(pack)], env=env, capture_output=True, text=True)
    assert r.returncode == 0 and r.stdout == "done\n", r.stdout + r.stderr


def entry(key):
    """A good entry of 200 bytes, made by the core."""
    code = (
        "import ctypes, sys\n"
        "core = ctypes.CDLL(sys.argv[1] + '/libgems_core.so')\n"
        "core._ZN4gems11cache_storeEPKcPKvm(sys.argv[2].encode(), b'x' * 104, ctypes.c_size_t(104))\n"
    )
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "GEMS_CACHE_DIR": folder}
        subprocess.run([sys.executable, "-c", code, str(_native.LIB_DIR), key], env=env, check=True)
        return (Path(folder) / "kernels" / key).read_bytes()


def test_statistics_are_numbers(gems):
    s = cache.stats()
    assert {"hits_user", "hits_pack", "misses", "stores", "corrupt", "waits", "compiles"} <= set(s)
    assert all(isinstance(v, int) for v in s.values())
