"""Packs made without a GPU, and processes on a recorded driver (tests/cpp/fake_cuda.cpp) that run from them."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from flag_gems import _native, shapes
from flag_gems import pretune as pretune_module
from flag_gems.progress import Progress

ROOT = Path(__file__).resolve().parents[2]
ARCHS = ("sm_80", "sm_90a", "sm_100")
SHAPES = """
shapes:
  - {op: add, args: [[64, 4096], [4096]]}
  - {op: softmax, args: [[64, 4096], -1]}
  - {op: sum, args: [[64, 4096], -1]}
  - {op: arange, args: [100], kwargs: {device: cuda}}
  - {op: mm, args: [[3, 64], [64, 64]]}
  - {op: "fused_add_rms_norm", args: [[1, 32, 64], [1, 64], [1, 64], 1e-5]}
"""
# The entries' calls on cuda:0 of the recorded driver, an H100; three times: what a call left to a thread is there in the next,
# and a native kernel in the middle of an entry ends it there.
RUN = """
import json, sys
import torch, flag_gems
from flag_gems import cache, jit, packs, shapes
from flag_gems._native import native
own, why = [], []
new = None
if len(sys.argv) > 2:  # a tuned folder, as enable(tune_cache_dir=...) takes it on such a card
    from flag_gems import _tuning, pretune
    guesses = pretune.guesses_for(sys.argv[2], native().environment(1, 0).splitlines()[0])
    new = len(guesses)
    _tuning.use_folder([], guesses)
with packs.phantoms(0), flag_gems.use_gems():
    for _ in range(3):
        before = native().call_count()
        for e in shapes.load(sys.argv[1]):
            try:
                packs.call(e, torch.bfloat16, 0)
            except RuntimeError:
                why.append(native().last_fallback())
        own.append(native().call_count() - before)
        jit.wait(60)
print(json.dumps({"own": own, "why": why, "stats": cache.stats(), "guesses": new, "env": native().environment(1, 0)}))
"""


def environment(tmp_path, **more):
    env = {k: v for k, v in os.environ.items() if not k.startswith("GEMS_")}
    env["PYTHONPATH"] = os.pathsep.join([str(ROOT / "src"), *filter(None, [env.get("PYTHONPATH")])])
    return env | {"GEMS_CACHE_DIR": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"} | more


def pretune(tmp_path, *arguments, wait=True):
    (tmp_path / "shapes.yaml").write_text(SHAPES)
    command = [sys.executable, "-m", "flag_gems", "pretune", "--shapes", "shapes.yaml", "--output", "pack", *arguments]
    p = subprocess.Popen(
        command, cwd=tmp_path, env=environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    if not wait:
        return p
    out, err = p.communicate(timeout=300)
    if "libnvrtc can't be opened" in err:
        pytest.skip("there is no NVRTC here")
    return p.returncode, out, err


# Beside a real GPU --arch doesn't plan operators of our own yet (torch's guard refuses the device that isn't there).
pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="about machines without a GPU")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(folder with pack/ for three architectures, the command's output)"""
    folder = tmp_path_factory.mktemp("made")
    status, out, err = pretune(folder, "--arch", ",".join(ARCHS))
    assert status == 0, out + err
    return folder, out


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    """A folder with the recorded libcuda.so.1."""
    compiler = shutil.which("g++") or shutil.which("c++")
    if not compiler:
        pytest.skip("no C++ compiler")
    folder = tmp_path_factory.mktemp("driver")
    source = ROOT / "tests/cpp/fake_cuda.cpp"
    flags = ["-std=c++20", "-shared", "-fPIC", f"-I{ROOT}", "-Wl,-soname,libcuda.so.1"]
    subprocess.run([compiler, *flags, str(source), "-o", str(folder / "libcuda.so.1")], check=True)
    return folder


def run(tmp_path, driver, pack, *arguments, **more):
    (tmp_path / "shapes.yaml").write_text(SHAPES)
    env = environment(tmp_path, LD_LIBRARY_PATH=str(driver), GEMS_PACK_DIRS=str(pack), **more)
    p = subprocess.run(
        [sys.executable, "-c", RUN, "shapes.yaml", *map(str, arguments)],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert p.returncode == 0, p.stderr
    return json.loads(p.stdout.splitlines()[-1]) | {"err": p.stderr}


def keys(folder):
    return {p.name for p in (folder / "kernels").iterdir() if len(p.name) == 64}


def compiled(out):
    return int(re.search(r"(\d+) compiled now", out)[1])


def test_three_architectures_without_a_gpu(made):
    folder, out = made
    pack = folder / "pack"
    manifest = json.loads((pack / "manifest.json").read_text())
    assert [m.rpartition("-")[2] for m in manifest["kernels"]] == ["sm_100", "sm_80", "sm_90a"]
    assert len({m.split("-")[1] for m in manifest["kernels"]}) == 1  # one compiler
    assert {f"kernels/{k}" for k in keys(pack)} <= manifest["files"].keys()
    assert len(keys(pack)) == compiled(out) >= 3 * 7  # the heuristic's kernels, and what the cost model prefers to them
    assert not (folder / "cache").exists(), "kernels went into the user's folder"
    checked = subprocess.run([sys.executable, "-m", "flag_gems", "tune", "verify", str(pack)], env=environment(folder))
    assert checked.returncode == 0
    status, out, _ = pretune(folder, "--arch", "sm_80")
    assert status == 0 and "0 compiled now, 7 known" in out  # no times of this architecture: the heuristic
    assert len(json.loads((pack / "manifest.json").read_text())["kernels"]) == 3


@pytest.mark.parametrize("mode", ["sync", "async", "off"])
def test_a_process_finds_every_kernel(made, driver, tmp_path, mode):
    r = run(tmp_path, driver, made[0] / "pack", GEMS_JIT=mode)
    assert r["own"] == [7, 7, 7] and not r["why"], r  # from the first call on, in every mode
    assert r["stats"]["compiles"] == r["stats"]["misses"] == 0 and r["stats"]["hits_pack"] == 7, r


def test_the_cost_model_decides_where_nothing_was_measured(made, driver, tmp_path):
    guesses = pretune_module.read_guesses(made[0] / "pack")
    here = [g for g in guesses if g.place == "sm_90, 132 SM"]
    assert here and {g.op for g in here} <= {"add", "softmax", "sum", "mm"} and all(g.candidate != "own" for g in here)
    assert f"for {len(guesses)} calls" in made[1]
    r = run(tmp_path, driver, made[0] / "pack", made[0] / "pack", GEMS_JIT="off")
    native = sum(g.candidate == "native" for g in here)
    assert r["guesses"] == len(here) and r["own"] == [7 - native] * 3 and r["stats"]["misses"] == 0, r
    # That it is the guess which runs: a variant that the pack hasn't is missed.
    other = tmp_path / "other"
    other.mkdir()
    add = next(g for g in here if g.op == "add")
    pretune_module.write_guesses(other, [add._replace(candidate="own:tile=3,unroll=3"), add._replace(place="sm_90, 1 SM")])
    r = run(tmp_path, driver, made[0] / "pack", other, GEMS_JIT="off")
    assert r["guesses"] == 1 and r["own"][0] == 6 and r["stats"]["misses"] == 1, r


def test_without_a_compiler_packs_serve(made, driver, tmp_path):
    none = {"GEMS_NVRTC_DIRS": str(tmp_path)}
    here = run(tmp_path, driver, made[0] / "pack")["env"]
    r = run(tmp_path, driver, made[0] / "pack", **none)
    assert "NVRTC missing" not in here and r["env"] == here  # records of the machine that made the pack hold
    assert r["own"] == [7, 7, 7] and r["stats"]["compiles"] == 0, r
    r = run(tmp_path, driver, tmp_path, **none)
    assert r["own"] == [0, 0, 0] and "libnvrtc can't be opened" in r["err"], r


def test_what_the_pack_lacks_is_left_to_a_thread(made, driver, tmp_path):
    pack = tmp_path / "pack"
    shutil.copytree(made[0] / "pack", pack)
    r = run(tmp_path, driver, pack, GEMS_JIT="off")
    assert r["stats"]["hits_pack"] == 7
    for k in keys(pack):
        (pack / "kernels" / k).unlink()
    r = run(tmp_path, driver, pack, GEMS_JIT="async")
    assert r["own"][0] < 7 and r["own"][2] == 7 and r["stats"]["compiles"] == 7, r  # a thread may be ready within the first pass


def test_off_says_it_once_with_a_count(driver, tmp_path):
    r = run(tmp_path, driver, tmp_path, GEMS_JIT="off")
    lines = [line for line in r["err"].splitlines() if "GEMS_JIT=off" in line]
    assert len(lines) == 2 and "Remedy: a pack" in lines[0], r["err"]
    missing = int(lines[1].partition("GEMS_JIT=off: ")[2].split()[0])
    assert missing == r["stats"]["misses"] > 1, r
    r = run(tmp_path, driver, tmp_path, GEMS_JIT="off", GEMS_LOG_LEVEL="0")
    assert sum("has this kernel; the native kernel runs" in line for line in r["err"].splitlines()) == missing


def test_unknown_architectures_are_refused(tmp_path):
    status, _, err = pretune(tmp_path, "--arch", "sm_80,sm_99")
    assert status == 2 and "no architecture sm_99" in err and "sm_90a" in err
    assert not (tmp_path / "pack/kernels").exists()


def test_an_interrupted_run_goes_on(made, tmp_path):
    p = pretune(tmp_path, "--arch", ",".join(ARCHS), wait=False)
    pack = tmp_path / "pack"
    end = time.monotonic() + 60
    while p.poll() is None and time.monotonic() < end and not ((pack / "kernels").is_dir() and keys(pack)):
        time.sleep(0.01)
    p.send_signal(signal.SIGINT)
    out, err = p.communicate(timeout=60)
    if "libnvrtc can't be opened" in err:
        pytest.skip("there is no NVRTC here")
    assert p.returncode == 130 and "the same command goes on from there" in err, out + err
    before = keys(pack)
    assert 0 < len(before) < compiled(made[1])
    status, out, err = pretune(tmp_path, "--arch", ",".join(ARCHS))
    assert status == 0 and compiled(out) == compiled(made[1]) - len(before) and f" {len(before)} known" in out, out + err


@pytest.mark.parametrize("how", ["command: python model.py 5", 'import: "model:run"'])
def test_shapes_of_a_real_run(tmp_path, how):
    (tmp_path / "model.py").write_text(
        "import sys, torch\ndef run(n=5):\n    torch.mm(torch.ones(3, 4), torch.ones(4, n))\n"
        "if __name__ == '__main__':\n    run(int(sys.argv[1]))\n"
    )
    path = tmp_path / "s.yaml"
    path.write_text(f"model: {{{how}}}\nshapes: [{{op: relu, args: [[4]]}}]\n")
    entries = shapes.load(path)
    assert entries[0].op == "relu"
    mm = next(e for e in entries if e.op == "mm.default")
    assert [a.shape for a in mm.args] == [(3, 4), (4, 5)]


@pytest.mark.parametrize(
    "model, message",
    [("[1]", "command: python"), ("{import: nothing}", "module:function"), ("{command: python none.py}", "none.py failed")],
)
def test_wrong_models_say_so(tmp_path, model, message):
    path = tmp_path / "s.yaml"
    path.write_text(f"model: {model}\n")
    with pytest.raises(shapes.ShapeFileError, match=message):
        shapes.load(path)


def test_planning_leaves_the_process_as_it_was(gems, ran):
    """After planning in this process, calls on the CPU run as ever and CUDA has no rows of ours where there is no GPU."""
    import torch

    from flag_gems import packs

    c = _native.native()
    with packs.phantoms():
        x = packs.tensor(shapes.TensorSpec((4, 8)), torch.float32, "cuda:127")
        assert x.device.index == 127 and x.data_ptr() % 512 == 0
    assert c.target(None) == 0
    gems.enable()
    assert ran(torch.neg, torch.ones(3))[1] == 1


class Screen(io.StringIO):
    def __init__(self, terminal):
        super().__init__()
        self.terminal = terminal

    def isatty(self):
        return self.terminal


def test_progress_is_a_bar_on_a_terminal_and_lines_elsewhere(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    for terminal in (True, False):
        screen = Screen(terminal)
        with Progress("compiling", 4, every=0.0, file=screen) as p:
            p.say("one [line]")
            p.at(1)
            p.at(2, 6)
        text = screen.getvalue()
        assert "one [line]" in text
        assert ("\x1b[" in text) == terminal
        assert ("compiling: 2 of 6, about 0 s left\n" in text) == (not terminal)
