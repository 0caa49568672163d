"""enable, disable, only_enable, use_gems and what tells about their state. Semantics: ``_state``; names: ``_table``."""

from __future__ import annotations

import functools
import os
import threading
import warnings
from typing import NamedTuple

import torch

from . import _tuning, config, logging_utils
from ._native import native
from ._state import State
from ._table import Table


class _Gems:
    """The library of this process: the operator table and the state of its registration."""

    def __init__(self):
        backend = native()
        self.table = Table(backend.table())
        self.always = self.table.mask(r.row for r in self.table.rows if r.custom)
        self.overridable = frozenset(r.row for r in self.table.rows if not r.custom)
        self.all_mask = self.table.mask(self.overridable)
        self.state = State(backend, len(self.table.rows), self._clear_dispatch_caches)
        self._selected: dict[tuple, tuple[bytes, tuple]] = {}
        self.base_log: logging_utils.LogFile | None = None
        self.unused: tuple[str, ...] = ()
        logging_utils.attach(self.table.rows, backend.set_recorder)
        rows = self.table.rows
        self._overloads = [(r.row, r.packet, r.overload) for r in rows if not r.custom]

    def _clear_dispatch_caches(self, rows: bytes) -> None:
        """torch's Python dispatcher remembers in each OpOverload which key serves it. After the registration has changed such an
        entry may lead to an empty slot of the dispatcher's table, which torch.compile then jumps to (a crash, not an error)."""
        packets = vars(torch.ops.aten)
        for row, packet, overload in self._overloads:
            if rows[row]:
                found = packets.get(packet)
                if found is not None:
                    found = vars(found).get(overload)
                    if found is not None:
                        found._dispatch_cache.clear()

    def selection(self, include, exclude, what: str, stacklevel: int) -> bytes:
        """The mask for names; ``include`` wins over ``exclude``. Unknown names are warnings."""
        wanted = include is not None
        setting = include if wanted else exclude
        if setting is None:
            return self.all_mask
        names = config.names_from(setting, "include" if wanted else "exclude")
        at = (wanted, frozenset(names))
        hit = self._selected.get(at)
        if hit is None:
            rows, unknown = self.table.resolve(sorted(names))
            rows = rows & self.overridable if wanted else self.overridable - rows
            hit = self._selected[at] = (self.table.mask(rows), tuple(unknown))
        mask, unknown = hit
        for name in unknown:
            near = self.table.near(name)
            hint = f"; near: {', '.join(near)}" if near else ""
            warnings.warn(f"flag_gems: {what} names {name!r}, which isn't a served operator{hint}", stacklevel=stacklevel + 1)
        if wanted and mask == self.table.none_mask:
            warnings.warn(f"flag_gems: {what} selects no operator, all run natively", stacklevel=stacklevel + 1)
        return mask

    def set_base(self, mask: bytes, record: bool, once: bool, path) -> None:
        log = logging_utils.LogFile(path, once) if record else None
        if self.base_log is not None:
            self.base_log.close()
        self.base_log = log
        self.state.set_base(mask)
        logging_utils.refresh()


_lock = threading.Lock()
_gems: _Gems | None = None


def gems() -> _Gems:
    global _gems
    if _gems is None:
        with _lock:
            if _gems is None:
                _gems = _Gems()
    return _gems


def enable(lib=None, unused=None, registrar=None, record=False, once=False, path=None, tune_cache_dir=None):
    """Runs every served operator on our kernels, except those named in ``unused``, until ``disable()``.

    Replaces what an earlier ``enable`` or ``only_enable`` asked for and takes effect at once, also inside a ``use_gems`` block.

    Args:
        lib: accepted for compatibility; the overrides belong to the process and end with ``disable()``.
        unused: function names (``"mm"``), ATen names (``"mm.out"``) or globs; a list, tuple or set, the path of a YAML file (its
            list ``exclude``), or "default". An unknown name is a warning.
        registrar: a class like ``flag_gems.registrar`` that decides which overloads are registered.
        record: write a line for each call that our kernels run to ``path`` (default ``~/.flaggems/oplist.log``).
        once: with ``record``, one line for each operator.
        tune_cache_dir: folder of tuned configurations (default: environment variable ``GEMS_TUNE_CACHE_DIR``).
    """
    g = gems()
    mask = g.selection(None, unused, "unused", 2)
    g.unused = () if unused is None else config.names_from(unused, "exclude")
    config.set_tune_cache_dir(tune_cache_dir or os.environ.get("GEMS_TUNE_CACHE_DIR"))
    _tuning.begin()
    g.set_base(_registrar_mask(registrar, mask), record, once, path)


def only_enable(lib=None, include=None, registrar=None, record=False, once=False, path=None):
    """Runs exactly the operators named in ``include`` on our kernels, until ``disable()``; arguments as for ``enable``.

    ``include`` may be the path of a YAML file (its list ``include``); None and "default" stand for the file that comes with the
    package. When no operator is selected, that is a warning, and all run natively.
    """
    g = gems()
    mask = g.selection("default" if include is None else include, None, "include", 2)
    g.unused = ()
    _tuning.begin()
    g.set_base(_registrar_mask(registrar, mask), record, once, path)


def disable():
    """Back to the native kernels, completely: also inside ``use_gems`` blocks, whose ends then change nothing."""
    if _gems is not None:
        _gems.unused = ()
        _gems.set_base(_gems.table.none_mask, False, False, None)


def _registrar_mask(registrar, mask: bytes) -> bytes:
    if registrar is None:
        return mask
    from .runtime.op_registrar import GeneralOpRegistrar, full_config

    if registrar is GeneralOpRegistrar:
        return mask
    g = gems()
    rows = g.table.rows
    chosen = [entry for entry, row in zip(full_config(), rows) if mask[row.row]]
    made = registrar(chosen)
    return g.table.mask(g.table.by_key[key] for key in made.get_all_keys() if key in g.table.by_key)


class use_gems:
    """Runs operators on our kernels inside a ``with`` block (or a decorated function), and what was before outside.

    ``include`` names exactly those that run on our kernels inside, ``exclude`` those that don't; ``include`` wins. Without both,
    all do. The newest open block says what holds; blocks may nest and interleave. Names and log as for ``enable``.
    """

    def __init__(self, exclude=None, include=None, record=False, once=False, path=None):
        self._exclude = exclude if exclude is None or isinstance(exclude, (str, os.PathLike)) else tuple(exclude)
        self._include = include if include is None or isinstance(include, (str, os.PathLike)) else tuple(include)
        self._log = (path, once) if record else None
        self._open: list[tuple] = []

    def __enter__(self):
        g = gems()
        mask = g.selection(self._include, self._exclude, "exclude" if self._include is None else "include", 2)
        _tuning.begin()
        log = logging_utils.LogFile(*self._log) if self._log else None
        try:
            self._open.append((g.state.push(mask), log))
        except BaseException:
            if log is not None:
                log.close()
            raise
        logging_utils.refresh()

    def __exit__(self, *exc):
        overlay, log = self._open.pop()
        try:
            _gems.state.remove(overlay)
        finally:
            if log is not None:
                log.close()

    def __call__(self, function):
        @functools.wraps(function)
        def call(*args, **kwargs):
            with use_gems(self._exclude, self._include, self._log is not None, *reversed(self._log or (None, False))):
                return function(*args, **kwargs)

        return call

    @property
    def experimental_ops(self):
        """Operators that aren't part of the default set; there are none."""
        return ()


def all_registered_ops() -> list[str]:
    """Function names of the operators that run on our kernels now, one for each ATen overload."""
    return [] if _gems is None else [r.function for r in _gems.table.rows if _gems.state.active[r.row]]


def all_registered_keys() -> list[str]:
    """ATen names ("add.Tensor") of the overloads that run on our kernels now."""
    return [] if _gems is None else [r.key for r in _gems.table.rows if _gems.state.active[r.row]]


def flagtune(include=None):
    """Selects operators for tuning by function name (an iterable, or a string parted by commas or semicolons; None: all)."""
    if include is None:
        os.environ.pop("FLAGTUNE_INCLUDE", None)
        return
    names = config.names_from(include, "include")
    unknown = [n for n in names if not gems().table.match(n)]
    if unknown:
        raise ValueError(f"flag_gems: not a served operator: {', '.join(unknown)}")
    os.environ["FLAGTUNE_INCLUDE"] = ",".join(names)


class OpStat(NamedTuple):
    op: str
    function: str
    key: str  # "add.Tensor"
    device: str
    own_calls: int
    native_calls: int  # of calls that reached us: unsupported arguments, given to the native kernel
    own_ns: int  # 0 unless stats_timing(True)
    native_ns: int


def stats() -> list[OpStat]:
    """Calls since load or ``reset_stats()`` of each overload and device that had any, most often first."""
    rows = gems().table.rows
    found = [OpStat(rows[r].op, rows[r].function, rows[r].key, str(d), *n) for r, d, *n in native().stats()]
    return sorted((s for s in found if s.own_calls or s.native_calls), key=lambda s: -(s.own_calls + s.native_calls))


def stats_timing(on: bool) -> None:
    """Whether ``stats()`` collects times (host time; on a GPU that of the launch)."""
    native().stats_timing(bool(on))


def reset_stats() -> None:
    native().stats_reset()


def _debug_call_count() -> int:
    """How many of our own kernels have run since load; calls that went to a native kernel don't count."""
    return native().call_count()
