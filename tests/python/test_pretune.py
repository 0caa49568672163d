"""Shape files, recording of shapes, pre-tuning, the tuned folder, and what decisions do to calls. On the CPU."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest
import torch

from flag_gems import _native, jit, pretune, shapes, tune
from flag_gems.commands.pretune import seconds

ROOT = Path(__file__).resolve().parents[2]

HANDBOOK = """
shapes:
  - op: "mm"
    args:
      - [1, 64, 64]
      - [1, 64, 64]
  - op: "addmm"
    args:
      - [1, 64, 64]
      - [1, 64, 64]
      - [1, 64, 64]
  - op: "fused_add_rms_norm"
    args:
      - [1, 32, 64]
      - [1, 64]
      - [1, 64]
      - 1e-5
"""


@pytest.fixture
def decided(gems):
    """Decisions end with the test."""
    yield
    _native.native().tune_choices([])
    _native.native().tune_force("auto")


def test_handbook_file_parses():
    mm, addmm, norm = shapes.parse(HANDBOOK)
    assert mm.args == (shapes.TensorSpec((1, 64, 64)),) * 2
    assert addmm.op == "addmm" and len(addmm.args) == 3
    assert norm.args[3] == 1e-5  # YAML reads it as a text


@pytest.mark.parametrize(
    "text, message",
    [
        ("a: 1", "`shapes:` is missing"),
        ("shapes: [{op: mm}]", "entry 1: needs `op`"),
        ("shapes: [{op: mm, args: [], extra: 1}]", "unknown extra"),
        ("shapes: [{op: mm, args: [{size: [1]}]}]", "a tensor has shape"),
        ("shapes: [{op: mm, args: [[2, -1]]}]", "no negative sizes"),
        ("shapes: [{op: mm, args: [], dtype: float31}]", "'float31' is no dtype"),
        ("shapes: [", "shapes:"),
    ],
)
def test_wrong_files_say_where(text, message):
    with pytest.raises(shapes.ShapeFileError, match=message):
        shapes.parse(text)


def test_unknown_operator():
    with pytest.raises(shapes.ShapeFileError, match="no_such_thing"):
        shapes.build(shapes.ShapeEntry("no_such_thing", ()), "cpu", torch.float32)


def test_tensors_are_built_as_asked():
    entry = shapes.parse("shapes: [{op: add, args: [{shape: [3, 4], dtype: float64, strides: [1, 3]}, [4]], dtype: bfloat16}]")[0]
    _, (a, b), _ = shapes.build(entry, "cpu", torch.float32)
    assert a.dtype == torch.float64 and a.stride() == (1, 3) and b.dtype == torch.bfloat16


def test_functions_take_the_arguments_that_users_write(gems):
    """The guide's entry: torch.embedding, which isn't public, wants the table first."""
    entry = shapes.parse("shapes: [{op: embedding, args: [{shape: [1, 8], dtype: int64, high: 32}, [32, 16]]}]")[0]
    call, args, kwargs = shapes.build(entry, "cpu", torch.float32)
    assert call(*args, **kwargs).shape == (1, 8, 16)


def test_recorded_shapes_run_again(gems, tmp_path):
    """What a run recorded, written, read and built again, reaches the same operators with the same shapes."""
    weight, ids = torch.randn(11, 8), torch.tensor([[1, 10, 3]])

    def model():
        x = torch.nn.functional.embedding(ids, weight)
        for _ in range(3):
            x = torch.softmax(x + x.transpose(0, 1).transpose(0, 1), -1)
        return torch.cat([x, x], 1).sum(-1)

    path = tmp_path / "model.yaml"
    with gems.record_shapes(path):
        model()
    entries = shapes.load(path)
    by_op = {e.op: e for e in entries}
    assert by_op["_softmax.default"].repeat == 3
    assert by_op["embedding.default"].args[1].high == 11
    with shapes.record_shapes() as again:
        for e in entries:
            call, args, kwargs = shapes.build(e, "cpu", torch.float32)
            call(*args, **kwargs)
    assert {(e.op, repr(e.args)) for e in again.entries if e.op in by_op} >= {(e.op, repr(e.args)) for e in entries}


def run(*arguments, env, cwd):
    return subprocess.run([sys.executable, *map(str, arguments)], env=env, cwd=cwd, capture_output=True, text=True, timeout=300)


def test_the_handbook_works_word_for_word(subprocess_env, tmp_path):
    """Chapter 4: the file, the command, the folder, and the program that uses it (with smaller matrices)."""
    (tmp_path / "model_shapes.yaml").write_text(HANDBOOK)
    command = (ROOT / "examples/pretune.py", "--shapes", "model_shapes.yaml", "--output", "tuned_configs", "--device", "cpu")
    done = run(*command, env=subprocess_env, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "[1/3] mm(1x64x64, 1x64x64): native" in done.stdout and "[2/3] addmm" in done.stdout
    records = tune.read_file(tmp_path / "tuned_configs/records.jsonl")
    assert not records.problems and {r.op for r in records.records} == {"bmm", "baddbmm"}
    again = run(*command, env=subprocess_env, cwd=tmp_path)
    assert again.stdout.count("known from an earlier run") == 2, again.stdout + again.stderr
    checked = run("-m", "flag_gems", "tune", "verify", "tuned_configs", env=subprocess_env, cwd=tmp_path)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    program = """
import torch
import flag_gems
flag_gems.enable(tune_cache_dir="./tuned_configs")
x = torch.randn(1, 64, 64)
y = torch.randn(1, 64, 64)
result = torch.mm(x, y)
print(result.shape)
assert torch.allclose(result, x @ y, atol=1e-4)
"""
    env = {**subprocess_env, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    used = run("-W", "error", "-c", program, env={**env, "OMP_NUM_THREADS": "1"}, cwd=tmp_path)
    assert used.returncode == 0 and "torch.Size([1, 64, 64])" in used.stdout, used.stderr
    (tmp_path / "tuned_configs/records.jsonl").write_text("broken\n")
    checked = run("-m", "flag_gems", "tune", "verify", "tuned_configs", env=subprocess_env, cwd=tmp_path)
    assert checked.returncode == 1 and "was changed" in checked.stdout + checked.stderr


def test_recorded_run_of_a_program(subprocess_env, tmp_path):
    (tmp_path / "model.py").write_text("import sys, torch\ntorch.mm(torch.ones(3, 4), torch.ones(4, int(sys.argv[1])))\n")
    done = run("-m", "flag_gems", "record-shapes", "--output", "s.yaml", "--", "python", "model.py", "5", env=subprocess_env, cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    mm = next(e for e in shapes.load(tmp_path / "s.yaml") if e.op == "mm.default")
    assert [a.shape for a in mm.args] == [(3, 4), (4, 5)]


def test_decisions_hold_for_their_bucket(gems, ran, decided):
    gems.enable()  # not relu: the native one is made of clamp_min, which is ours
    small, large = torch.randn(4, 64), torch.randn(4096, 64)
    env = pretune.environment("cpu")
    m = pretune.measure(shapes.parse("shapes: [{op: neg, args: [[4, 64]]}]")[0], "cpu", torch.float32, seconds=0.05)
    assert m.decided and m.op == "neg" and all(us > 0 for us, _ in m.times.values())
    slow = [r._replace(median_us=1.0 if r.candidate == "native" else 9.0) for r in pretune.records_of([m], env)]
    assert pretune.apply(slow, "cpu") == 1
    assert ran(torch.neg, small)[1] == 0 and ran(torch.neg, large)[1] == 1
    assert gems.stats()  # and the native call was counted as such
    fast = [r._replace(median_us=9.0 if r.candidate == "native" else 1.0) for r in slow]
    assert pretune.apply(fast, "cpu") == 1
    assert ran(torch.neg, small)[1] == 1
    other = [r._replace(device="another chip") for r in slow]
    assert pretune.apply(other, "cpu") == 0  # results of other chips decide nothing
    assert ran(torch.neg, small)[1] == 1


def test_equal_times_are_native():
    env = pretune.environment("cpu")
    record = tune.TuneRecord("add", "x #1", "own", *env[:3], "", env.library, 0.99, 0.0, 5, 1)
    records = [record, record._replace(candidate="native", median_us=1.0)]
    assert pretune.choices_of(records, env) == [("add", "x #1", "native")]
    assert pretune.choices_of([record], env) == []  # one side alone decides nothing


@pytest.mark.parametrize(
    "times, winner",
    [
        ({"own": 1.0, "native": 2.0, "own-serial": 1.0}, "own"),
        ({"own": 1.0, "native": 2.0, "own-serial": 0.9}, "own-serial"),
        ({"own": 3.0, "native": 2.0, "own-serial": 1.0}, "own-serial"),
        ({"own": 1.99, "native": 2.0, "own-serial": 1.98}, "native"),
    ],
)
def test_a_lead_is_two_per_cent(times, winner):
    assert pretune.best(times) == winner


def test_serial_candidate_uses_one_thread(gems, decided):
    """Twice the elements that a thread gets at least: a second thread's work is seen in the process' thread times."""
    if torch.get_num_threads() < 2:
        pytest.skip("one thread")
    gems.enable()
    x = torch.randn(1 << 22)
    want = torch.exp(x)
    _native.native().tune_force("own-serial")
    t, c = time.perf_counter(), time.thread_time()
    for _ in range(20):
        got = torch.exp(x)
    wall, mine = time.perf_counter() - t, time.thread_time() - c
    assert torch.equal(got, want)
    cpu = time.process_time()
    for _ in range(20):
        torch.exp(x)
    used = time.process_time() - cpu
    assert used < 1.3 * max(mine, wall), "other threads worked too"


def test_wrong_numbers_never_win(gems, decided, monkeypatch):
    gems.enable()
    monkeypatch.setattr(pretune, "_agrees", lambda *_: False)
    m = pretune.measure(shapes.parse("shapes: [{op: relu, args: [[4, 64]]}]")[0], "cpu", torch.float32, seconds=0.05)
    assert not m.decided and "numbers differ" in m.note


def test_candidates_can_be_forced(gems, ran, decided):
    gems.enable()
    x = torch.randn(64)
    _native.native().tune_force("native")
    assert ran(torch.neg, x)[1] == 0
    _native.native().tune_force("auto")
    assert ran(torch.neg, x)[1] == 1
    with pytest.raises(ValueError, match="no candidate"):
        _native.native().tune_force("best")


def test_foreign_and_missing_folders_are_warnings(gems, tmp_path, decided):
    with pytest.warns(UserWarning, match="can't be used"):
        gems.enable(tune_cache_dir=tmp_path / "none")
    folder = tmp_path / "tuned"
    entries = shapes.parse("shapes: [{op: relu, args: [[4, 64]]}]")
    gems.enable()
    pretune.pretune(entries, folder, "cpu", say=lambda text: None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gems.enable(tune_cache_dir=folder)
    store, _ = tune.merge([folder / "records.jsonl"])
    with tune.Store("") as foreign:
        foreign.put(r._replace(device="another chip") for r in store.all())
        tune.export(foreign, folder / "records.jsonl")
    with pytest.warns(UserWarning, match="another chip.*calls run untuned"):
        gems.enable(tune_cache_dir=folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "library": "9.9"}))
    with pytest.warns(UserWarning, match="made by version 9.9"):
        gems.enable(tune_cache_dir=folder)
    assert torch.equal(torch.relu(torch.tensor([-1.0, 2.0])), torch.tensor([0.0, 2.0]))


def test_budget_leaves_out_and_says_so(gems, tmp_path, decided):
    gems.enable()
    said = []
    entries = shapes.parse("shapes: [{op: relu, args: [[4, 64]]}, {op: exp, args: [[4, 64]]}, {op: cos, args: [[4, 64]]}]")
    pretune.pretune(entries, tmp_path / "t", "cpu", budget=0.001, say=said.append)
    assert any("2 entries are left out" in s for s in said), said


def test_batches_of_mm(gems, ran):
    a, b, c = torch.randn(2, 5, 7), torch.randn(2, 7, 3), torch.randn(2, 5, 3)
    with pytest.raises(RuntimeError, match="must be a matrix"):
        torch.mm(a, b)
    gems.enable()
    got, calls = ran(torch.mm, a, b)
    assert calls >= 1
    torch.testing.assert_close(got, torch.bmm(a, b))
    torch.testing.assert_close(torch.addmm(c, a, b, beta=0.5, alpha=2), torch.baddbmm(c, a, b, beta=0.5, alpha=2))
    for wrong in ((a, b[:1]), (a, torch.randn(7, 3)), (a.requires_grad_(), b)):
        with pytest.raises(RuntimeError, match="matrix|matrices"):
            torch.mm(*wrong)
    gems.disable()
    with pytest.raises(RuntimeError, match="must be a matrix"):
        torch.mm(a.detach(), b)


def test_times_of_a_budget():
    assert [seconds(t) for t in ("90", "90s", "10m", "1h", "1.5m")] == [90, 90, 600, 3600, 90]


def test_jit_modes(gems):
    assert jit.mode() in jit.MODES
    with jit.using("off"):
        assert jit.mode() == "off"
    with pytest.raises(ValueError, match="is none of"):
        jit.set_mode("never")
    assert jit.wait(0.1) == 0 == jit.pending()


def test_prewarm_takes_files_entries_and_programs(gems, tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text("shapes: [{op: relu, args: [[4, 64]]}]")
    for what in (path, shapes.load(path), lambda: torch.relu(torch.randn(3))):
        assert gems.prewarm(what, device="cpu") == 0
