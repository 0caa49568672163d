"""The store of tuning records: the same random operations on memory, SQLite, PostgreSQL and a model made of a dict; several processes,
kill -9, damaged and foreign files, places that can't be written, servers that are gone; one file of records; the program's exit status."""

from __future__ import annotations

import itertools
import json
import math
import os
import random
import resource
import shutil
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import postgres_server
import pytest
from record_model import NOW, TEXTS, Model, is_sound, make, model_of, some

from flag_gems import cli, tune
from flag_gems.tune import Store, TuneEnv, TuneRecord

QUICK = (2000, 2000, 1000, 400, 200)  # limits in ms: lock, connection, answer, rest, rest after a lock


# ---- places


@pytest.fixture(scope="module")
def server():
    if postgres_server.programs() is None:
        why = "PostgreSQL isn't installed (Debian: apt-get install postgresql)"
        if os.environ.get("CI") == "true":
            pytest.fail(why)
        pytest.skip(why)
    server = postgres_server.Server()
    yield server
    server.remove()


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def place(request, tmp_path):
    return _place(request.param, request, tmp_path)


@pytest.fixture(params=["sqlite", "postgres"])
def shared_place(request, tmp_path):
    return _place(request.param, request, tmp_path)


def _place(kind, request, tmp_path):
    if kind == "memory":
        return ""
    if kind == "sqlite":
        return str(tmp_path / "tune.sqlite")
    url = request.getfixturevalue("server").url
    with Store(url) as store:
        assert store.problem == ""
        store.erase()
    return url


def spawn(work, quiet=False) -> int:
    """A forked child that runs ``work()``; its exit status is 0 if that returned something true or None."""
    pid = os.fork()
    if pid:
        return pid
    try:
        if quiet:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        good = work()
        os._exit(0 if good or good is None else 1)
    except BaseException:
        import traceback

        traceback.print_exc()
        os._exit(2)


def joined(pids) -> list[int]:
    return [os.waitstatus_to_exitcode(os.waitpid(p, 0)[1]) for p in pids]


# ---- the same as the model


@pytest.mark.parametrize("seed", range(6))
def test_same_as_the_model(place, seed):
    rng = random.Random(seed)
    store, model = Store(place), Model()
    try:
        for _ in range(60):
            what = rng.choices(["put", "winners", "all", "erase", "trim", "reopen"], [8, 5, 3, 1, 1, 2])[0]
            if what == "put":
                batch = [make(rng, rng.random() < 0.95) for _ in range(rng.choice([0, 1, 3, 30]))]
                assert store.put(batch) == model.put(batch)
            elif what == "winners":
                known = model.all()
                env = rng.choice(known).env if known and rng.random() < 0.8 else TuneEnv(*(rng.choice(TEXTS) for _ in range(4)))
                hashes = rng.choice([None, {(r.op, r.candidate): rng.choice(TEXTS) for r in known if rng.random() < 0.5}])
                assert store.winners(env, hashes) == model.winners(env, hashes)
            elif what == "reopen":
                if place:
                    store.close()
                    assert store.put([make(rng)]) == 0 and store.all() == []
                    store = Store(place)
            elif what == "trim":
                limits = rng.choice([{"max_records": rng.choice([0, 5, 50])}, {"max_age_days": rng.choice([3, 20])}, {}])
                assert store.trim(**limits) == model.trim(**limits)
            else:
                names = rng.sample(TuneRecord._fields[:8], rng.choice([1, 1, 2]))
                wanted = {n: rng.choice(["c1", "0.2.0", *TEXTS]) for n in names}
                assert getattr(store, what)(**wanted) == getattr(model, what)(**wanted)
            assert store.problem == ""
        assert store.all() == model.all()
        assert all(math.copysign(1, r.spread) == 1 for r in store.all())
        store.trim()
        assert store.verify() == []
    finally:
        store.close()


def test_a_large_batch_is_whole(shared_place):
    records = some(2500)
    with Store(shared_place) as store:
        assert store.put(records) == 2500
        assert store.put(records) == 2500
    with Store(shared_place) as store:
        assert sorted(store.all()) == sorted(records)


def test_library_versions_never_mix(place, capfd):
    old = some(3, library="0.1.0", device="H200", driver="560", compiler="c1", op="mm")
    with Store(place) as store:
        store.put(old)
        new = old[0].env._replace(library="0.2.0")
        capfd.readouterr()
        for _ in range(3):
            assert store.winners(new) == []
        said = capfd.readouterr().err
        assert said.count("\n") == 1 and 'library "0.1.0" instead of "0.2.0"' in said and "driver" not in said
        store.put([old[0]._replace(library="0.2.0", median_us=1e9)])
        assert [r.median_us for r in store.winners(new)] == [1e9]
        assert sorted(store.winners(old[0].env)) == sorted(model_of(old).winners(old[0].env))
        assert capfd.readouterr().err == ""


# ---- several processes, and ends without notice


def test_eight_processes_start_and_write_at_once(shared_place):
    """They meet on a place that has nothing yet, write keys of their own and keys that all of them write."""
    shared = some(20, seed=99)
    begin = time.time() + 0.3

    def work(i):
        time.sleep(max(0, begin - time.time()))
        store = Store(shared_place)
        for k in range(10):
            store.put(some(100, seed=i)[k * 10 : k * 10 + 10] + [r._replace(date=NOW + i * 10 + k) for r in shared])
        store.close()
        return store.problem == ""

    assert joined([spawn(lambda i=i: work(i)) for i in range(8)]) == [0] * 8
    with Store(shared_place) as store:
        want = model_of([r for i in range(8) for r in some(100, seed=i)] + [r._replace(date=NOW + 79) for r in shared])
        assert store.all() == want.all()
        assert store.verify() == []


def test_kill_at_any_moment_loses_nothing_that_was_stored(shared_place, tmp_path):
    rng = random.Random(5)
    progress = tmp_path / "progress"
    want, serial = {}, 0
    for round_ in range(16):
        progress.write_text("")
        records = some(400, seed=1000 + round_)

        def work(records=records):
            store = Store(shared_place)
            with open(progress, "a", buffering=1) as f:
                for at in range(0, 400, 4):
                    store.put(records[at : at + 4])
                    f.write(f"{at + 4}\n")
            signal.pause()

        pid = spawn(work)
        deadline = time.time() + rng.uniform(0.002, 0.06)
        while time.time() < deadline:
            time.sleep(0.001)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        stored = int(progress.read_text().split()[-1]) if progress.read_text() else 0
        serial += stored
        want.update({r.key: r for r in records[:stored]})
        with Store(shared_place) as store:
            assert store.problem == ""
            found = {r.key: r for r in store.all()}
            assert want.items() <= found.items()
            # What isn't counted yet may be there, whole batches of it.
            assert len(found) % 4 == 0
            want = found
            if round_ % 5 == 0:
                assert store.verify() == []
    assert serial > 0, "every process was killed before it stored anything"


def test_threads(shared_place):
    import threading

    with Store(shared_place) as store:
        work = lambda i: [store.put(some(20, seed=i)) and store.winners(some(1, seed=i)[0].env) for _ in range(5)]
        threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert len(store.all()) == 120


# ---- SQLite files that aren't what they should be


def filled(path: Path, n: int = 300) -> list[TuneRecord]:
    records = some(n)
    with Store(path) as store:
        store.put(records)
        assert store.problem == ""
    return records


def test_wal_where_it_works(tmp_path):
    filled(tmp_path / "t")
    assert sqlite3.connect(tmp_path / "t").execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_bits_that_flip(tmp_path):
    """Whatever is read afterwards was written once; the store goes on in a sound file."""
    records = filled(tmp_path / "sound")
    image = (tmp_path / "sound").read_bytes()
    known = set(records)
    path = tmp_path / "t"
    for seed in range(45):
        rng = random.Random(seed)
        data = bytearray(image)
        for _ in range(rng.choice([1, 3, 30])):
            data[rng.randrange(len(data)) if seed % 3 else rng.randrange(4096)] ^= 1 << rng.randrange(8)
        for f in tmp_path.glob("t*"):
            f.unlink()
        path.write_bytes(data)
        store = Store(path)
        assert known >= set(store.all()), seed
        assert store.put(records) == 300
        assert set(store.all()) == known, seed
        if not store.problem:  # else it took the file for another program's, and left it alone
            store.trim()
            store.close()
            with Store(path) as store:
                assert set(store.all()) == known and store.verify() == [], seed
        store.close()


@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.1, 0.5, 0.9, 0.999])
def test_truncated(tmp_path, share):
    records = filled(tmp_path / "t")
    os.truncate(tmp_path / "t", int((tmp_path / "t").stat().st_size * share))
    with Store(tmp_path / "t") as store:
        assert set(records) >= set(store.all())
        store.put(records)
        assert len(store.all()) == 300
        assert store.problem == ""
    aside = [f for f in tmp_path.iterdir() if ".corrupt-2" in f.name]
    assert len(aside) == (share > 0.0) or share > 0.99, "a part of the last page may be all that is gone"
    with Store(tmp_path / "t") as store:
        assert store.verify() == [] and len(store.all()) == 300


def test_foreign_files(tmp_path, capfd):
    (tmp_path / "t").write_text("these are no records\n" * 400)
    with Store(tmp_path / "t") as store:
        assert store.put(some(1)) == 1 and store.problem == ""
    (aside,) = tmp_path.glob("t.corrupt-*")
    assert aside.read_text().startswith("these are no records")
    assert capfd.readouterr().err.count("\n") == 1

    other = sqlite3.connect(tmp_path / "other")
    other.execute("CREATE TABLE theirs (x)")
    other.commit()
    other.close()
    before = (tmp_path / "other").read_bytes()
    with Store(tmp_path / "other") as store:
        assert "another program" in store.problem
        assert store.put(some(2)) == 2 and len(store.all()) == 2
    assert (tmp_path / "other").read_bytes() == before
    assert capfd.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_newer_version_is_left_alone(kind, request, tmp_path, capfd):
    place = _place(kind, request, tmp_path)
    with Store(place) as store:
        store.put(some(2))

    def set_version(v):
        if kind == "sqlite":
            db = sqlite3.connect(place)
            db.execute(f"UPDATE tune_version SET version = {v}")
            db.commit()
            db.close()
        else:
            subprocess.run(["psql", "-q", place, "-c", f"UPDATE flag_gems_version SET version = {v}"], check=True)

    set_version(2)
    capfd.readouterr()
    try:
        with Store(place) as store:
            assert "version 2" in store.problem
            assert store.all() == [] and store.put(some(3)) == 3 and len(store.all()) == 3
            assert store.erase() == 3
            assert len(store.verify()) == 1
        assert capfd.readouterr().err.count("\n") == 1
    finally:
        set_version(1)
    with Store(place) as store:
        assert len(store.all()) == 2


def test_edited_records_are_ignored(shared_place, capfd):
    """Both kinds of store check each record, not only their structure."""
    records = some(5)
    with Store(shared_place) as store:
        store.put(records)
    edit = "SET date = date * 2 WHERE bucket = '0 3'"
    if shared_place.startswith("postgresql"):
        subprocess.run(["psql", "-q", shared_place, "-c", f"UPDATE flag_gems_records {edit}"], check=True)
    else:
        db = sqlite3.connect(shared_place)
        db.execute(f"UPDATE records {edit}")
        db.commit()
        db.close()
    with Store(shared_place) as store:
        assert any("checksum" in p for p in store.verify())
        assert store.winners(records[0].env) == model_of([r for r in records if r.bucket != "0 3"]).winners(records[0].env)
        assert set(store.all()) == {r for r in records if r.bucket != "0 3"}
        assert store.verify() == []
        assert store.put(records) == 5 and set(store.all()) == set(records)


@pytest.mark.parametrize("with_log", [False, True])
def test_deleted_while_open(tmp_path, with_log):
    store = Store(tmp_path / "t")
    store.put(some(2))
    for f in tmp_path.glob("t*") if with_log else [tmp_path / "t"]:
        f.unlink()
    assert store.put(some(3, seed=1)) == 3
    assert len(store.all()) == 3 and store.problem == ""
    shutil.rmtree(tmp_path)
    assert store.put(some(4, seed=2)) == 4 and store.problem
    assert len(store.all()) == 4
    store.close()


# ---- places that can't be written


@pytest.fixture
def open_folder():
    """A folder that an unprivileged child can reach."""
    path = Path(tempfile.mkdtemp(prefix="gems_records_", dir="/tmp"))
    path.chmod(0o777)
    yield path
    shutil.rmtree(path)


@pytest.mark.parametrize("folder_too", [False, True])
@pytest.mark.parametrize("left_open", [False, True])
def test_read_only(open_folder, folder_too, left_open):
    path, log = open_folder / "t", open_folder / "log"
    log.touch()
    log.chmod(0o666)
    records = filled(path, 20)
    keep = Store(path) if left_open else None  # its log and index lie beside the file then
    if keep:
        keep.put(records)
    for f in open_folder.glob("t*"):
        f.chmod(0o444)
    if folder_too:
        open_folder.chmod(0o555)

    def work():
        os.dup2(os.open(log, os.O_WRONLY | os.O_APPEND), 2)
        if os.geteuid() == 0:
            os.setgid(65534)
            os.setuid(65534)
        store = Store(path)
        assert len(store.all()) == 20
        store.put(some(3, seed=7))
        assert len(store.all()) == 23 and store.problem
        assert len(store.winners(records[0].env)) >= 1
        assert store.erase() == 3 and len(store.all()) == 20
        assert len(store.verify()) == 1
        store.close()

    status = joined([spawn(work)])
    open_folder.chmod(0o777)
    if keep:
        keep.close()
    assert status == [0], log.read_text()
    assert log.read_text().count("\n") == 1, log.read_text()
    with Store(path) as store:
        assert len(store.all()) == 20


def test_disk_full(tmp_path):
    records = filled(tmp_path / "t", 20)

    def work():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        store = Store(tmp_path / "t")
        resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / "t").stat().st_size + 8192,) * 2)
        many = some(3000, seed=3)
        assert store.put(many) == 3000
        assert store.problem
        begin = time.time()
        assert len(store.all()) == 3020 if not store.problem else len(store.all()) >= 3000
        assert store.put(some(5, seed=4)) == 5 and time.time() - begin < 5
        store.close()

    assert joined([spawn(work, quiet=True)]) == [0]
    with Store(tmp_path / "t") as store:
        assert set(store.all()) >= set(records) and store.verify() == []


def test_full_file_system(tmp_path):
    if (
        os.geteuid() != 0
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", tmp_path], capture_output=True).returncode
    ):
        pytest.skip("no right to mount a small file system here")
    try:
        store = Store(tmp_path / "t", QUICK)
        (tmp_path / "ballast").write_bytes(b"x" * 100_000)
        assert store.put(some(3000)) == 3000 and store.problem
        (tmp_path / "ballast").unlink()
        store.erase()
        time.sleep(QUICK[3] / 1000 + 0.05)
        store.put(some(10))
        assert store.problem == "", "there is room again"
        store.close()
        with Store(tmp_path / "t") as store:
            assert len(store.all()) == 10 and store.verify() == []
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_locked_for_long(tmp_path, capfd):
    path = tmp_path / "t"
    filled(path, 10)
    locked, done = os.pipe(), os.pipe()

    def hold():
        db = sqlite3.connect(path)
        db.execute("BEGIN IMMEDIATE")
        os.write(locked[1], b"x")
        os.close(done[1])
        os.read(done[0], 1)
        db.rollback()
        db.close()

    child = spawn(hold)
    os.read(locked[0], 1)
    store = Store(path, (1500, *QUICK[1:]))
    begin = time.time()
    assert store.put(some(2, seed=1)) == 2
    assert time.time() - begin < 4
    begin = time.time()
    assert len(store.all()) == 12, "what waits is seen, what is stored too"
    assert time.time() - begin < 1, "the lock was asked for again at once"
    os.write(done[1], b"x")
    joined([child])
    store.close()  # writes what waited
    with Store(path) as store:
        assert len(store.all()) == 12 and store.problem == ""
    assert capfd.readouterr().err.count("\n") == 1


# ---- servers that are gone


def test_server_that_is_gone_or_silent(capfd):
    silent = socket.create_server(("127.0.0.1", 0))
    for port in (silent.getsockname()[1], 1):
        url = f"postgresql://someone:secret@127.0.0.1:{port}/db"
        begin = time.time()
        store = Store(url, (300, 600, 600, 60000, 200))
        assert time.time() - begin < 4
        begin = time.time()
        for i in range(200):
            store.put(some(1, seed=i))
        assert len(store.all()) == 200
        store.close()
        assert time.time() - begin < 5, "each operation asked the server again"
        assert "***" in store.where
    said = capfd.readouterr().err
    assert said.count("\n") == 2 and "secret" not in said
    silent.close()


def test_server_that_stops_and_comes_back(server, capfd):
    store = Store(server.url, QUICK)
    store.erase()
    assert store.put(some(3)) == 3 and store.problem == ""
    capfd.readouterr()
    server.stop()
    assert store.put(some(4, seed=1)) == 4
    assert len(store.all()) == 4 and store.problem
    assert capfd.readouterr().err.count("\n") == 1
    server.start()
    time.sleep(QUICK[3] / 1000)
    assert len(store.all()) == 7 and store.problem == ""
    # A restart between two calls isn't noticed at all.
    server.stop()
    server.start()
    assert store.put(some(5, seed=2)) == 5 and len(store.all()) == 12 and store.problem == ""
    # A session that hangs costs one wait.
    server.pause()
    begin = time.time()
    store.put(some(1, seed=3))
    assert time.time() - begin < 2 * (QUICK[1] + QUICK[2]) / 1000
    assert len(store.all()) >= 1
    store.close()


# ---- one file of records


def test_export_and_import_round_trip(place, tmp_path):
    rng = random.Random(1)
    with Store(place) as store:
        store.put([make(rng) for _ in range(300)])
        records = store.all()
        assert tune.export(store, tmp_path / "r.jsonl") == len(records)
    text = (tmp_path / "r.jsonl").read_text(encoding="utf-8")
    head, *lines = [json.loads(line) for line in text.splitlines()]
    assert head == {"format": "flag_gems tuning records", "version": 1, "library": tune.__version__}
    assert [TuneRecord(**line) for line in lines] == records, "Python's json reads the same values"
    assert all(tuple(line) == TuneRecord._fields for line in lines)
    file = tune.read_file(tmp_path / "r.jsonl")
    assert file.records == records and file.problems == []
    assert tune.to_text(reversed(records)) == text
    assert stat.S_IMODE((tmp_path / "r.jsonl").stat().st_mode) & 0o400 and len(list(tmp_path.glob("*.tmp"))) == 0


def test_merge_does_not_depend_on_the_order(tmp_path):
    rng = random.Random(2)
    pool = [make(rng) for _ in range(40)]
    files = []
    for i in range(4):
        with Store("") as node:
            # The same keys with dates, counts and times that often are the same too.
            node.put([r._replace(date=NOW - rng.randrange(2), count=rng.choice([1, 2]), median_us=rng.choice([1.0, 2.0]),
                                 spread=rng.choice([0.0, 0.5]), kernel_hash=rng.choice(["", "a", "ab", "b"])) for r in pool for _ in range(2)])  # fmt: skip
            tune.export(node, tmp_path / f"{i}.jsonl")
        files.append(tmp_path / f"{i}.jsonl")
    texts = set()
    for order in itertools.permutations(files):
        store, problems = tune.merge(order)
        assert problems == []
        texts.add(tune.to_text(store.all()))
    store, _ = tune.merge([*files, *files])
    texts.add(tune.to_text(store.all()))
    assert len(texts) == 1
    assert store.all() == model_of([r for f in files for r in tune.read_file(f).records]).all()


def test_bad_lines_are_reported_and_left_out(tmp_path):
    good = tune.to_text(some(2)).splitlines()
    bad = ["", "null", "[]", "{}", "{", good[1][:-1], good[1] + "x", good[1] + good[2], good[1].replace('"count": ', '"count": 1.5e'),
           good[1].replace('"date": ', '"date": 99999999999999999999'), good[1].replace('"date": ', '"date": 0'), good[0],
           good[1].replace('"op"', '"Op"'), good[1].replace('"op"', '"bucket"'), good[1].replace("}", ', "x": 1}'),
           good[1].replace("}", ', "x": {}}'), good[1].replace('"op": "', '"op": "\\ud800'), good[1].replace('"op": "', '"op": "\\x'),
           good[1].replace('"op": "', '"op": "\t'), good[1].replace('"op": "', '"op": "\\u0000')]  # fmt: skip
    path = tmp_path / "f.jsonl"
    path.write_text("\n".join([good[0], *bad, good[2]]) + "\n", encoding="utf-8")
    file = tune.read_file(path)
    assert len(file.records) == 1
    assert [p.split(": ")[0] for p in file.problems] == [f"{path}:{i + 2}" for i in range(len(bad))]
    for head in ("", good[1], good[0].replace('"version": 1', '"version": 2'), good[0].replace("tuning", "other")):
        path.write_text(head + "\n" + good[1] + "\n", encoding="utf-8")
        file = tune.read_file(path)
        assert file.records == [] and [p.split(": ")[0] for p in file.problems] == [f"{path}:1"]
    assert len(tune.read_file(tmp_path / "none").problems) == 1


def test_random_damage_to_a_file_is_read_as_json_reads_it(tmp_path):
    text = tune.to_text(some(6)).encode()
    head = text.index(b"\n") + 1
    path = tmp_path / "f.jsonl"
    for seed in range(300):
        rng = random.Random(seed)
        data = bytearray(text)
        for _ in range(rng.choice([1, 1, 4])):
            at = rng.randrange(head, len(data))
            what = rng.randrange(3)
            if what == 0:
                data[at] = rng.choice(b'{}":,\\ue+-.0123456789aE\n\r\xff\x80')
            elif what == 1:
                del data[at : at + rng.choice([1, 5])]
            else:
                data[at:at] = rng.choice([b'"', b"\\", b"1", b" ", b"\\u00e9", b"{", b"-0"])
        path.write_bytes(data)
        file = tune.read_file(path)
        read = []
        for line in bytes(data).split(b"\n")[1:]:
            try:
                # Without the module's tolerance: bytes are UTF-8, constants aren't numbers, no member stands twice.
                value = json.loads(line.decode(), object_pairs_hook=lambda p: dict(p) if len({k for k, _ in p}) == len(p) else None,
                                   parse_constant=lambda c: None)  # fmt: skip
                r = TuneRecord(**value)
                types = [str] * 8 + [(int, float)] * 2 + [int] * 2
                if all(isinstance(v, t) for v, t in zip(r, types)) and is_sound(r) and max(r.count, r.date) < 2**63:
                    "".join(r[:8]).encode()
                    read.append(r)
            except (ValueError, TypeError, OverflowError):
                continue
        assert file.records == read, seed


# ---- the program


def test_program(tmp_path, capfd):
    run = lambda *args: cli.main(["tune", *map(str, args)])
    db, out = tmp_path / "t.sqlite", tmp_path / "out.jsonl"
    records = [*some(5, op="mm", device="H200"), *some(3, seed=1, op="add", device="cpu")]
    for i in range(2):
        (tmp_path / f"{i}.jsonl").write_text(tune.to_text(records[i * 4 : i * 4 + 4]), encoding="utf-8")
    assert run("import", tmp_path / "0.jsonl", tmp_path / "1.jsonl", "--db", db) == 0
    assert run("export", out, "--db", db) == 0
    assert run("merge", tmp_path / "1.jsonl", tmp_path / "0.jsonl", "-o", tmp_path / "merged.jsonl") == 0
    assert out.read_bytes() == (tmp_path / "merged.jsonl").read_bytes()
    capfd.readouterr()
    assert run("show", "--db", db) == 0
    assert capfd.readouterr().out.count("\n") == 10
    assert run("show", "--op", "a*", "--device", "cpu", "--db", db, "--winners") == 0
    shown = capfd.readouterr().out
    assert "add" in shown and "H200" not in shown and shown.splitlines()[-1] == f"3 records in {db}"
    assert run("export", "-", "--op", "mm", "--db", db) == 0
    assert capfd.readouterr().out == tune.to_text(records[:5])
    assert run("trim", "--max-records", 6, "--db", db) == 0
    with Store(db) as store:
        assert len(store.all()) == 6
    assert run("verify", "--db", db) == 0 and run("verify", db) == 0 and run("verify", out) == 0

    with open(out, "a") as f:
        f.write("{}\n")
    capfd.readouterr()
    assert run("import", out, "--db", db) == 1
    assert f"{out}:10: " in capfd.readouterr().err
    assert run("merge", out, "-o", tmp_path / "merged.jsonl") == 1
    assert run("verify", out) == 1
    assert run("import", tmp_path / "none", "--db", db) == 1
    assert run("export", tmp_path / "no" / "folder", "--db", db) == 1

    pack = tmp_path / "pack"
    pack.mkdir()
    assert run("verify", pack) == 1
    assert "isn't a tuned folder" in capfd.readouterr().err  # test_pretune.py has the folders that are

    os.truncate(db, 5000)
    assert run("verify", "--db", db) == 1
    assert "corrupt-" in capfd.readouterr().err
    assert run("verify", "--db", db) == 0
    for action in (["show"], ["export", "-"], ["import", tmp_path / "0.jsonl"], ["trim"], ["verify"]):
        assert run(*action, "--db", tmp_path) == 1, "a folder isn't a store"
    for wrong in ([], ["show", "--nothing"], ["trim", "--max-records", "-1"], ["trim", "--max-age-days", "x"], ["merge", "a"]):
        with pytest.raises(SystemExit) as e:
            run(*wrong)
        assert e.value.code == 2


def test_program_as_a_process(subprocess_env, tmp_path):
    """The default place comes from the environment; the exit status reaches the shell."""
    env = {**subprocess_env, "GEMS_TUNE_DB": str(tmp_path / "deep" / "t.sqlite")}
    for name in ("GEMS_TUNE_DB_URL", "FLAGGEMS_DB_URL"):
        env.pop(name, None)
    (tmp_path / "r.jsonl").write_text(tune.to_text(some(4)), encoding="utf-8")
    out = subprocess.run(
        [sys.executable, "-m", "flag_gems", "tune", "import", tmp_path / "r.jsonl"], env=env, capture_output=True, text=True
    )
    assert out.returncode == 0, out.stderr
    assert out.stderr.startswith("4 records in ")
    with Store(env["GEMS_TUNE_DB"]) as store:
        assert len(store.all()) == 4
