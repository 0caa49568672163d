"""Modes of tuning as programs see them: records in the order folder, machine, fleet; measuring of real calls; what is left alone.

Each case is a process of its own, because settings are read once. On the CPU; the C++ tests (online_test, cuda_marks_test) make times up."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys

import postgres_server
import pytest

from flag_gems import pretune, tune
from flag_gems.tune import Store, TuneEnv, TuneRecord

PROGRAM = """
import json, os, sys, time
start = time.perf_counter()
import torch
import flag_gems
from flag_gems import tune
from flag_gems._native import native

def ours(f, *args):
    before = flag_gems._debug_call_count()
    f(*args)
    return flag_gems._debug_call_count() - before

def until(what, seconds=60):
    end = time.perf_counter() + seconds
    while not what() and time.perf_counter() < end:
        time.sleep(0.001)
    return what()

x = torch.linspace(-3, 3, 4096)
calls = {"neg": torch.neg, "exp": torch.exp, "cos": torch.cos}
"""


@pytest.fixture
def run(subprocess_env, tmp_path):
    """run(program, **environment): what it printed as JSON, and its stderr. The machine's store is tmp_path/machine.sqlite."""

    def call(program: str, **environment: str):
        env = {**subprocess_env, "GEMS_CACHE_DIR": str(tmp_path / "cache"), "GEMS_TUNE_DB": str(tmp_path / "machine.sqlite")}
        env.update(environment)
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM + program], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=240
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1]), done.stderr

    return call


@pytest.fixture
def here(run) -> TuneEnv:
    return TuneEnv(*run("print(json.dumps(flag_gems._tuning.environment('cpu')))")[0])


@pytest.fixture
def buckets(run) -> dict[str, str]:
    return run(
        """
flag_gems.enable()
native().tune_trace(True)
for f in calls.values():
    f(x)
print(json.dumps({op: bucket for op, bucket, _ in native().tune_trace(False)}))
"""
    )[0]


@pytest.fixture(scope="module")
def server():
    if postgres_server.programs() is None:
        pytest.skip("PostgreSQL isn't installed (Debian: apt-get install postgresql)")
    server = postgres_server.Server()
    yield server
    server.remove()


def decision(op: str, bucket: str, env: TuneEnv, winner: str) -> list[TuneRecord]:
    def record(name):
        us = 1.0 if name == winner else 9.0
        return TuneRecord(op, bucket, name, env.device, env.driver, env.compiler, "", env.library, us, 0.0, 7, 1_700_000_000)

    return [record("own"), record("native")]


RAN = "flag_gems.enable()\nprint(json.dumps({op: ours(f, x) for op, f in calls.items()}))\n"


def test_modes(gems):
    assert tune.mode() in tune.MODES
    before = tune.mode()
    with pytest.raises(ValueError, match="is none of"):
        tune.set_mode("offline")
    assert tune.mode() == before


def test_modes_end(run, here, buckets, tmp_path):
    """What stores decide holds inside a block in another mode, and ends with it."""
    with Store(tmp_path / "machine.sqlite") as store:
        store.put(decision("neg", buckets["neg"], here, "native"))
    said, _ = run(
        """
flag_gems.enable()
out = [tune.mode(), ours(torch.neg, x)]
with tune.using("records"):
    out += [tune.mode(), ours(torch.neg, x)]
out += [tune.mode(), ours(torch.neg, x)]
print(json.dumps(out))
"""
    )
    assert said == ["off", 1, "records", 0, "off", 1]


def test_a_wrong_mode_is_a_warning(run):
    ran, err = run(RAN, GEMS_TUNE="fast")
    assert set(ran.values()) == {1} and "GEMS_TUNE=fast is none of off, records, online" in err


@pytest.mark.parametrize("mode", ["off", "records"])
def test_stores_that_arent_needed_arent_opened(run, tmp_path, mode):
    """Off reads nothing; records reads what is there and makes nothing."""
    program = RAN + "print(json.dumps('sqlite' in open('/proc/self/maps').read() and 'sqlite3' not in sys.modules))"
    opened, err = run(program, GEMS_TUNE=mode)
    assert not opened and err == ""
    assert not (tmp_path / "machine.sqlite").exists() and not (tmp_path / "cache" / "tune.sqlite").exists()


def test_folder_machine_fleet(run, here, buckets, tmp_path, server):
    """All three know neg, two exp, one cos: the first that knows decides. Each says something else than the one after it."""
    folder, machine, fleet = [], [], []
    folder += decision("neg", buckets["neg"], here, "native")
    machine += decision("neg", buckets["neg"], here, "own") + decision("exp", buckets["exp"], here, "native")
    fleet += decision("neg", buckets["neg"], here, "own") + decision("exp", buckets["exp"], here, "own")
    fleet += decision("cos", buckets["cos"], here, "native")
    tuned = tmp_path / "tuned"
    tuned.mkdir()
    with Store("") as store:
        store.put(folder)
        tune.export(store, tuned / "records.jsonl")
    pretune.write_manifest(tuned, here, 1, 0.0)
    for place, records in ((tmp_path / "machine.sqlite", machine), (server.url, fleet)):
        with Store(place) as store:
            store.erase()
            store.put(records)
            assert store.problem == ""
    program = """
flag_gems.enable()
until(lambda: ours(torch.cos, x) == 0)
print(json.dumps({op: ours(f, x) for op, f in calls.items()}))
"""
    settings = {"GEMS_TUNE_DB_URL": server.url, "GEMS_TUNE_CACHE_DIR": str(tuned)}
    assert run(program, GEMS_TUNE="records", **settings) == ({"neg": 0, "exp": 0, "cos": 0}, "")
    (tmp_path / "machine.sqlite").unlink()
    assert run(program, GEMS_TUNE="records", **settings) == ({"neg": 0, "exp": 1, "cos": 0}, "")
    del settings["GEMS_TUNE_CACHE_DIR"]
    assert run(program, GEMS_TUNE="records", **settings) == ({"neg": 1, "exp": 1, "cos": 0}, "")
    settings["GEMS_TUNE_CACHE_DIR"] = str(tuned)  # holds in every mode
    assert run(RAN, GEMS_TUNE="off", **settings) == ({"neg": 0, "exp": 1, "cos": 1}, "")


def test_a_fleet_that_is_gone_delays_nothing(run):
    """A server that accepts and never answers: a connection's deadline is two seconds."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        url = f"postgresql://gems@127.0.0.1:{s.getsockname()[1]}/gems"
        program = """
t = time.perf_counter()
flag_gems.enable()
t = time.perf_counter() - t
print(json.dumps([t, ours(torch.neg, x)]))
"""
        (seconds, ran), err = run(program, GEMS_TUNE="records", GEMS_TUNE_DB_URL=url)
        assert seconds < 1 and ran == 1
        assert err.count("\n") == 1 and "postgresql://" in err


@pytest.mark.parametrize("field", ["device", "driver", "compiler", "library"])
def test_records_of_elsewhere_are_one_line(run, here, buckets, tmp_path, field):
    other = here._replace(**{field: "another"})
    with Store(tmp_path / "machine.sqlite") as store:
        store.put([r for op in buckets for r in decision(op, buckets[op], other, "native")])
    ran, err = run(RAN + "flag_gems.enable(); flag_gems.enable()\n" + RAN, GEMS_TUNE="records")
    assert set(ran.values()) == {1}
    assert err.count("\n") == 1 and f'{field} "another" instead of' in err


def test_records_of_another_kind_of_chip_are_no_line(run, here, buckets, tmp_path):
    """A GPU's records beside a CPU of which there are none."""
    other = TuneEnv("NVIDIA H200, sm_90, 132 SM", "580.1", "NVRTC 13.0, torch 2", here.library)
    with Store(tmp_path / "machine.sqlite") as store:
        store.put(decision("neg", buckets["neg"], other, "native"))
    assert run(RAN, GEMS_TUNE="records") == ({"neg": 1, "exp": 1, "cos": 1}, "")


ONLINE = """
native().force_isa(native().isas()[0])  # our products without wide vectors: torch's are several times faster
flag_gems.enable()
a = torch.randn(192, 192)
wide = torch.randn(256, 512)
want = (a.double() @ a.double()).float(), wide.double().cumsum(0).float()
def decided():
    for _ in range(20):
        for got, w in zip((torch.mm(a, a), wide.cumsum(0)), want):
            torch.testing.assert_close(got, w, rtol=1e-4, atol=1e-3)
    p = tune.progress()  # the comparison's own operators are measured too
    return p.decided >= 2 and p.measuring == 0
until(decided)
ran = [ours(torch.mm, a, a), ours(wide.cumsum, 0)]
print(json.dumps([ran, tune.progress()]))
"""


def test_calls_are_measured_and_decided(run, here, tmp_path):
    """Two calls whose kernels differ by a multiple, one each way: decided, recorded, and used by a process in mode records."""
    (ran, progress), err = run(ONLINE, GEMS_TUNE="online", GEMS_MATMUL="own")
    assert ran == [0, 1] and err == ""
    assert progress[2] >= 2 and progress[3] >= 2 * 4
    with Store(tmp_path / "machine.sqlite") as store:
        records = {(r.op, r.candidate): r for r in store.all() if r.op in ("mm", "cumsum")}
    assert set(records) == {(op, c) for op in ("mm", "cumsum") for c in ("own", "native")}
    assert all(r.env == here and r.count >= 2 and r.median_us > 0 for r in records.values())
    assert records["mm", "own"].median_us > records["mm", "native"].median_us
    assert records["cumsum", "own"].median_us < records["cumsum", "native"].median_us
    assert all(re.search(" #[0-9a-f]{16}$", r.bucket) for r in records.values())
    again = """
flag_gems.enable()
a, wide = torch.randn(192, 192), torch.randn(256, 512)
print(json.dumps([ours(torch.mm, a, a), ours(wide.cumsum, 0), tune.progress()]))
"""
    assert run(again, GEMS_TUNE="records", GEMS_MATMUL="own") == ([0, 1, [0, 0, 0, 0]], "")
    assert run(again, GEMS_TUNE="off", GEMS_MATMUL="own") == ([1, 1, [0, 0, 0, 0]], "")


def test_the_fleet_gets_the_records_too(run, server):
    with Store(server.url) as store:
        store.erase()
    run(ONLINE, GEMS_TUNE="online", GEMS_MATMUL="own", GEMS_TUNE_DB_URL=server.url)
    with Store(server.url) as store:
        assert {("mm", "own"), ("mm", "native")} <= {(r.op, r.candidate) for r in store.all()}


def test_results_are_those_of_each_call(run):
    """In place, out=, views, gradients, errors: a call runs one candidate once, whichever."""
    errors, _ = run(
        """
flag_gems.enable()
errors = 0
for dtype in (torch.float32, torch.int64):
    total, out = torch.zeros(64, dtype=dtype), torch.empty(64, dtype=dtype)
    for i in range(1, 120):
        total.add_(1)
        torch.add(total, 1, out=out)
        assert torch.equal(total, torch.full((64,), i, dtype=dtype)) and torch.equal(out, total.neg().neg() + 1), i
        try:
            torch.index_select(total, 0, torch.tensor([64]))
        except (IndexError, RuntimeError):
            errors += 1
x = torch.randn(8, 16, requires_grad=True)
grads = [torch.autograd.grad(torch.nn.functional.layer_norm(x, (16,)).mul(x).sum(), x)[0] for _ in range(120)]
for g in grads:
    torch.testing.assert_close(g, grads[0])
a, b, draws = torch.randn(64), torch.randn(64), []
for _ in range(60):  # no native kernel could take this one's turn, and whose numbers random ones are doesn't change
    torch.testing.assert_close(torch.ops.flag_gems.silu_and_mul(a, b), torch.nn.functional.silu(a) * b)
    torch.manual_seed(1)
    drawn = torch.empty(64).bernoulli_(0.5)
    draws.append(drawn)
assert all(torch.equal(d, draws[0]) for d in draws)
assert until(lambda: tune.progress().samples > 100)
print(json.dumps(errors))
""",
        GEMS_TUNE="online",
    )
    assert errors == 2 * 119


def test_calls_on_a_gpu(run, device, tmp_path):
    """Two time marks around each call; a graph that is captured meanwhile isn't disturbed; records are the GPU's."""
    if device != "cuda":
        pytest.skip("no GPU")
    (decided, samples, device_name), err = run(
        """
flag_gems.enable()
a = torch.randn(512, 512, device="cuda")
want = torch.softmax(a.double(), -1).float()
calls = lambda: (torch.softmax(a, -1), torch.neg(a))
def settled():
    for _ in range(20):
        got, minus = calls()
    torch.testing.assert_close(got, want)
    p = tune.progress()
    return p.decided >= 2 and p.measuring == 0
for _ in range(8):
    calls()
graph = torch.cuda.CUDAGraph()
with torch.cuda.graph(graph):
    got, minus = calls()
    time.sleep(0.2)  # the collecting thread asks events meanwhile
graph.replay()
torch.testing.assert_close(got, want)
assert torch.equal(minus, -a)
until(settled)
p = tune.progress()
print(json.dumps([p.decided, p.samples, flag_gems._tuning.environment("cuda")[0]]))
""",
        GEMS_TUNE="online",
    )
    assert decided >= 2 and samples >= 2 * 8 and err == ""
    with Store(tmp_path / "machine.sqlite") as store:
        records = store.all(device=device_name)
    assert {("softmax", "own"), ("softmax", "native"), ("neg", "own")} <= {(r.op, r.candidate) for r in records}
    again = 'flag_gems.enable()\na = torch.randn(512, 512, device="cuda")\nprint(json.dumps(ours(torch.neg, a)))'
    best = pretune.best({r.candidate: r.median_us for r in records if r.op == "neg"})
    assert run(again, GEMS_TUNE="records") == (int(best != "native"), "")


def test_a_forked_child_measures_nothing(run):
    said, _ = run(
        """
flag_gems.enable()
for _ in range(5):
    torch.neg(x)
r, w = os.pipe()
if os.fork() == 0:
    for _ in range(200):
        assert torch.equal(torch.exp(x), torch.exp(x))
    os.write(w, json.dumps(tune.progress()).encode())
    os._exit(0)
os.wait()
print(json.dumps([json.loads(os.read(r, 1000)), tune.progress().buckets]))
""",
        GEMS_TUNE="online",
    )
    assert said == [[0, 0, 0, 0], 1]


def test_threads(run):
    said, err = run(
        """
import threading
flag_gems.enable()
def work():
    for i in range(1500):
        f, n = (torch.neg, torch.exp, torch.cos)[i % 3], 64 << i % 5
        a = torch.full((n,), 0.5)
        assert f(a)[-1] == f(a)[0]
threads = [threading.Thread(target=work) for _ in range(4)]
[t.start() for t in threads], [t.join() for t in threads]
until(lambda: work() or tune.progress().measuring == 0)
print(json.dumps(tune.progress()))
""",
        GEMS_TUNE="online",
    )
    assert said[1] == 0 and said[2] >= 15 and err == ""
