"""Tuning records: what each candidate of an operator took, where that was measured, and the stores that keep it.

A store is an SQLite file (default: ``GEMS_TUNE_DB`` or ``tune.sqlite`` in the cache folder), a PostgreSQL server
(``GEMS_TUNE_DB_URL``) or memory. Whatever happens to a file or a server isn't an error: the store then keeps records in memory,
says so in one log line and in ``Store.problem``.

    with tune.Store() as store:
        tune.export(store, "records.jsonl")

``mode()``, ``set_mode(name)`` and ``using(name)`` (GEMS_TUNE) say where calls get their decisions from:

* ``off`` (default): from the tuned folder that ``enable()`` was given; the heuristic else.
* ``records``: also from the machine's store, then the fleet's.
* ``online``: also from measuring calls as they come; ``progress()`` tells how far that is. Offline is ``flag-gems pretune``.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from ._native import native
from ._tuning import MODES, mode, set_mode, using
from ._version import __version__

__all__ = [
    "MODES", "Progress", "RecordFile", "Store", "TuneEnv", "TuneRecord", "default_place", "export", "merge", "mode", "progress",
    "read_file", "set_mode", "to_text", "using", "verify_folder",
]  # fmt: skip


class TuneEnv(NamedTuple):
    """Where a time holds. Records of different environments are never mixed."""

    device: str
    driver: str
    compiler: str
    library: str


class TuneRecord(NamedTuple):
    """The key is (device, driver, compiler, library, op, bucket, candidate)."""

    op: str
    bucket: str
    candidate: str
    device: str
    driver: str
    compiler: str
    kernel_hash: str
    library: str
    median_us: float
    spread: float
    count: int
    date: int  # unix seconds

    @property
    def env(self) -> TuneEnv:
        return TuneEnv(self.device, self.driver, self.compiler, self.library)

    @property
    def key(self) -> tuple[str, ...]:
        return (*self.env, self.op, self.bucket, self.candidate)


class Store:
    """``where``: the path of an SQLite file, ``postgresql://...``, "" (memory); None: the store of this process.

    ``limits``: milliseconds to wait for a lock, a connection and an answer, and to rest after a failure and after a lock that
    wasn't given (``StoreOptions`` of core/tune/records.h has the defaults).
    """

    def __init__(self, where: str | os.PathLike | None = None, limits: tuple[int, int, int, int, int] | None = None):
        self._c = native()
        place = None if where is None else os.path.expanduser(os.fspath(where))
        self._store = self._c.tune_open(place, *([] if limits is None else [tuple(limits)]))

    def put(self, records: Iterable[TuneRecord]) -> int:
        """Merges records: of two with one key the newer stays, of one date the one with more measurements. Returns how many were
        sound; the others are left out with a log line."""
        return self._c.tune_put(self._store, [tuple(r) for r in records])

    def winners(self, env: TuneEnv, hashes: Mapping[tuple[str, str], str] | None = None) -> list[TuneRecord]:
        """The fastest record of each (op, bucket) of exactly this environment. ``hashes``: kernel hash by (op, candidate);
        records with another one are ignored."""
        return [TuneRecord(*r) for r in self._c.tune_winners(self._store, tuple(env), None if hashes is None else dict(hashes))]

    def all(self, **wanted: str) -> list[TuneRecord]:
        """Records in the order of their keys; ``wanted``: texts that they have, such as ``op="mm"``."""
        return [TuneRecord(*r) for r in self._c.tune_all(self._store, _filter(wanted))]

    def erase(self, **wanted: str) -> int:
        """Removes what ``all`` would give with the same arguments; how many these were."""
        return self._c.tune_erase(self._store, _filter(wanted))

    def trim(self, max_records: int | None = None, max_age_days: float | None = None) -> int:
        """Removes records that are too old, dated in the future or damaged, then the oldest above ``max_records``."""
        limits = (-1 if max_records is None else max_records, -1.0 if max_age_days is None else max_age_days)
        return self._c.tune_trim(self._store, *limits)

    def verify(self) -> list[str]:
        """What is wrong with the store, each with what to do about it."""
        return self._c.tune_verify(self._store)

    @property
    def where(self) -> str:
        return self._c.tune_where(self._store)[0]

    @property
    def problem(self) -> str:
        """Why records aren't kept at ``where``; "" if they are."""
        return self._c.tune_where(self._store)[1]

    def close(self) -> None:
        self._c.tune_close(self._store)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *exc) -> None:
        self.close()


class Progress(NamedTuple):
    """Of online tuning."""

    buckets: int  # seen, undecided when they were first called
    measuring: int
    decided: int
    samples: int  # calls that were measured


def progress() -> Progress:
    return Progress(*native().tune_progress())


def default_place() -> str:
    """Where ``Store()`` keeps records: ``GEMS_TUNE_DB_URL``, ``FLAGGEMS_DB_URL``, ``GEMS_TUNE_DB`` or the cache folder."""
    return native().tune_default()


def _filter(wanted: Mapping[str, str]) -> tuple[str | None, ...] | None:
    names = TuneRecord._fields[:8]
    unknown = set(wanted) - set(names)
    if unknown:
        raise TypeError(f"records have no text {', '.join(sorted(unknown))}; known: {', '.join(names)}")
    return tuple(wanted.get(n) for n in names) if wanted else None


class RecordFile(NamedTuple):
    records: list[TuneRecord]
    problems: list[str]  # "file:line: reason" of each line that was left out
    library: str  # version of the library that wrote the file


def to_text(records: Iterable[TuneRecord]) -> str:
    """JSON lines: a header, then the records in the order of their keys."""
    return native().tune_format([tuple(r) for r in records], __version__)


def read_file(path: str | os.PathLike) -> RecordFile:
    """Reads a file that ``export`` wrote. What can't be read is reported, never raised."""
    name = os.fspath(path)
    try:
        data = Path(path).read_bytes()
    except OSError as e:
        return RecordFile([], [f"{name}:0: {e.strerror}"], "")
    records, problems, library = native().tune_parse(data, name)
    return RecordFile([TuneRecord(*r) for r in records], problems, library)


def export(store: Store, path: str | os.PathLike, **wanted: str) -> int:
    """Writes the store's records (those with the texts ``wanted``) into one file, whole or not at all; how many they are."""
    records = store.all(**wanted)
    path = Path(path)
    fd, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".tmp")
    try:
        with os.fdopen(fd, "w", encoding="utf-8") as f:
            f.write(to_text(records))
            f.flush()
            os.fsync(f.fileno())
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)  # mkstemp's are the owner's alone; this file is made to be passed on
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    return len(records)


def merge(paths: Iterable[str | os.PathLike], into: Store | None = None) -> tuple[Store, list[str]]:
    """Puts the records of several nodes' files into one store (default: a new one in memory); their order doesn't matter.
    Returns the store, and the lines that were left out."""
    store = Store("") if into is None else into
    problems = []
    for path in paths:
        file = read_file(path)
        store.put(file.records)
        problems += file.problems
    return store, problems


# ---- folders of tuned results


def verify_folder(folder: str | os.PathLike) -> list[str]:
    """What is wrong with a folder that pre-tuning made, each with what to do about it."""
    from . import pretune

    return pretune.verify_folder(folder)
