"""The log of operator calls: one line for each call (or, with ``once``, each operator) that ran on our kernels.

    [DEBUG] flag_gems.ops.add.add: GEMS ADD

Lines go through Python's logging: logger ``flag_gems.ops.<module>``, function name ``<function>``. The dispatcher calls back into
Python only while somebody listens: a log file is open (``record=True``), or the level of one of these loggers is DEBUG. The
loggers are of a class whose ``setLevel`` tells the dispatcher at once.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable

NAME = "flag_gems"
FORMAT = "[%(levelname)s] %(name)s.%(funcName)s: %(message)s"
DEFAULT_PATH = os.path.join("~", ".flaggems", "oplist.log")

_lock = threading.RLock()
_open: dict[str, list] = {}  # absolute path -> [handler, number of users]
_setup: list[LogFile] = []  # opened by setup_flaggems_logging
_set_recorder: Callable[[Callable | None], None] | None = None
_points: list[tuple[logging.Logger, str, str, str]] = []  # by row: logger, path, function, message
_leveled: set[logging.Logger] = set()  # those below flag_gems with a level of their own
_listening = False


class LogOncePerLocationFilter(logging.Filter):
    """Lets the first record of each source location through; for our operators a location is an operator."""

    def __init__(self):
        super().__init__()
        self._seen: set = set()

    def filter(self, record: logging.LogRecord) -> bool:
        location = (record.pathname, record.lineno)
        if location in self._seen:
            return False
        self._seen.add(location)
        return True


class GemsLogger(logging.Logger):
    """A logger whose level is known to the dispatcher."""

    def setLevel(self, level):
        super().setLevel(level)
        _note_level(self)
        refresh()


def _adopt(name: str) -> logging.Logger:
    logger = logging.getLogger(name)
    if type(logger) is logging.Logger:  # somebody may have asked for it before we came
        logger.__class__ = GemsLogger
        _note_level(logger)
    return logger


def _note_level(logger: logging.Logger) -> None:
    if logger.level == logging.NOTSET:
        _leveled.discard(logger)
    else:
        _leveled.add(logger)


_root = _adopt(NAME)
if hasattr(os, "register_at_fork"):  # a forked child must not find the lock held by a thread that it doesn't have
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)


def attach(rows, set_recorder) -> None:
    """Connects the record point of the dispatcher: ``rows`` have module, function and row, in order of their row."""
    global _set_recorder
    with _lock:
        _adopt(f"{NAME}.ops")
        for r in rows:
            module = f"{NAME}.{'fused' if r.custom else 'ops'}.{r.module}"
            _points.append((_adopt(module), module.replace(".", "/"), r.function, f"GEMS {r.function.upper()}"))
        _set_recorder = set_recorder
        refresh()


def refresh() -> None:
    """Turns the record point on or off. Called when a log opens or closes, a level changes, or a block begins."""
    global _listening
    if _set_recorder is None:
        return
    with _lock:
        want = bool(_open) or _root.isEnabledFor(logging.DEBUG) or any(x.isEnabledFor(logging.DEBUG) for x in _leveled)
        if want != _listening:
            _set_recorder(_record if want else None)
            _listening = want


def _record(row: int) -> None:
    logger, path, function, message = _points[row]
    if logger.isEnabledFor(logging.DEBUG):
        logger.handle(logger.makeRecord(logger.name, logging.DEBUG, path, row, message, (), None, function))


class LogFile:
    """An open log file; files of the same path are one file."""

    def __init__(self, path: str | os.PathLike | None = None, once: bool = False):
        self.path = os.path.abspath(os.path.expanduser(path or DEFAULT_PATH))
        self._closed = False
        with _lock:
            entry = _open.get(self.path)
            if entry is None:
                os.makedirs(os.path.dirname(self.path), exist_ok=True)
                handler = logging.FileHandler(self.path, mode="w")
                handler.setLevel(logging.DEBUG)
                handler.setFormatter(logging.Formatter(FORMAT))
                if once:
                    handler.addFilter(LogOncePerLocationFilter())
                if not _open:
                    self._remember()
                entry = _open[self.path] = [handler, 0]
                _root.addHandler(handler)
            entry[1] += 1
            refresh()

    _before: tuple[int, bool] | None = None

    @staticmethod
    def _remember():
        LogFile._before = (_root.level, _root.propagate)
        _root.propagate = False
        _root.setLevel(logging.DEBUG)

    def close(self) -> None:
        with _lock:
            if self._closed:
                return
            self._closed = True
            entry = _open[self.path]
            entry[1] -= 1
            if entry[1] == 0:
                del _open[self.path]
                _root.removeHandler(entry[0])
                entry[0].close()
            if not _open and LogFile._before is not None:
                level, _root.propagate = LogFile._before
                LogFile._before = None
                _root.setLevel(level)
            refresh()


def setup_flaggems_logging(path=None, record=True, once=False) -> None:
    """Opens the log of operator calls (default ``~/.flaggems/oplist.log``, overwritten)."""
    if record:
        _setup.append(LogFile(path, once))


def teardown_flaggems_logging(logger=None) -> None:
    """Closes what ``setup_flaggems_logging`` opened, or every file handler of the given logger."""
    if logger is not None and logger is not _root:
        for handler in [h for h in logger.handlers if isinstance(h, logging.FileHandler)]:
            logger.removeHandler(handler)
            handler.close()
        return
    while _setup:
        _setup.pop().close()
