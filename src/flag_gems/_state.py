"""Which operators run on our kernels: the base set, the open ``use_gems`` blocks, and what the dispatcher knows of them.

* ``enable``, ``only_enable`` and ``disable`` replace the *base* and take effect at once, everywhere: inside a ``use_gems`` block
  they also close what all open blocks asked for, whose ends then change nothing.
* ``use_gems`` pushes an *overlay*: the newest open overlay says exactly what runs on our kernels. Its end removes that overlay
  wherever it lies in the stack, so blocks may interleave (generators, threads).
* Rows of the base are registered with torch's dispatcher. Rows that an overlay adds are registered when they are first needed
  and stay so: later blocks only flip flags, and a call outside them passes through to the native kernel (about 0.1 us each).
  The next ``enable``, ``only_enable`` or ``disable`` removes what it doesn't name.

The set is one per process, as torch's dispatcher is: a block in one thread is seen by all.

The class knows neither torch nor the extension: ``backend`` has ``register(bytes)`` and ``activate(bytes)``, one byte a row, and
``changed(bytes)`` is called with the rows whose registration changed.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable


class Overlay:
    __slots__ = ("mask", "thread")

    def __init__(self, mask: bytes):
        self.mask = mask
        self.thread = threading.get_ident()


def _int(mask: bytes) -> int:
    return int.from_bytes(mask, "little")


def at_fork(owner) -> None:
    """Calls owner.before_fork() before a fork and owner.after_fork(in_child) after it, on both sides, while the owner lives:
    a lock that another thread held at the fork would never be released in the child, where that thread doesn't exist."""
    if not hasattr(os, "register_at_fork"):
        return
    ref = weakref.ref(owner)

    def before():
        o = ref()
        if o is not None:
            o.before_fork()

    def after(in_child):
        o = ref()
        if o is not None:
            o.after_fork(in_child)

    os.register_at_fork(before=before, after_in_parent=lambda: after(False), after_in_child=lambda: after(True))


class State:
    def __init__(self, backend, rows: int, changed: Callable[[bytes], None] = lambda rows: None):
        self._backend = backend
        self._rows = rows
        self._changed = changed
        self._lock = threading.RLock()
        self._none = bytes(rows)
        self._base = self._none
        self._overlays: list[Overlay] = []
        self._forced: dict[bytes, int] = {}  # masks of direct calls that are running, with their count
        self._registered = self._none
        self._active = self._none
        at_fork(self)

    def before_fork(self) -> None:
        self._lock.acquire()

    def after_fork(self, in_child: bool) -> None:
        try:
            if in_child:  # blocks of threads that don't exist there would never end
                mine = threading.get_ident()
                self._overlays = [o for o in self._overlays if o.thread == mine]
                self._forced.clear()
                self._apply()
        finally:
            self._lock.release()

    @property
    def active(self) -> bytes:
        """Rows that run on our kernels now."""
        return self._active

    @property
    def registered(self) -> bytes:
        return self._registered

    @property
    def depth(self) -> int:
        """Open use_gems blocks that still count."""
        return len(self._overlays)

    def set_base(self, mask: bytes) -> None:
        with self._lock:
            self._base = mask
            self._overlays.clear()
            self._apply(registered=mask)

    def push(self, mask: bytes) -> Overlay:
        overlay = Overlay(mask)
        with self._lock:
            self._overlays.append(overlay)
            try:
                self._apply()
            except BaseException:
                self._drop(overlay)
                raise
        return overlay

    def remove(self, overlay: Overlay) -> None:
        with self._lock:
            if self._drop(overlay):
                self._apply()

    def force(self, mask: bytes) -> None:
        """Adds rows to whatever is in force, until ``unforce`` with the same mask."""
        with self._lock:
            self._forced[mask] = self._forced.get(mask, 0) + 1
            self._apply()

    def unforce(self, mask: bytes) -> None:
        with self._lock:
            left = self._forced.pop(mask, 1) - 1
            if left:
                self._forced[mask] = left
            self._apply()

    def _drop(self, overlay: Overlay) -> bool:
        for i, o in enumerate(self._overlays):
            if o is overlay:
                del self._overlays[i]
                return True
        return False

    def _union(self, *masks: bytes) -> bytes:
        bits = 0
        for m in masks:
            bits |= _int(m)
        return bits.to_bytes(self._rows, "little")

    def _apply(self, registered: bytes | None = None) -> None:
        """Brings the dispatcher to the state; ``registered``: the rows to keep there, else rows are only added."""
        target = self._overlays[-1].mask if self._overlays else self._base
        if self._forced:
            target = self._union(target, *self._forced)
        wanted = self._registered if registered is None else registered
        if wanted is not target:
            wanted = self._union(wanted, target)
        if target != self._active:
            self._backend.activate(target)
            self._active = target
        if wanted != self._registered:
            before = self._registered
            try:
                self._backend.register(wanted)
                self._registered = wanted
            finally:
                self._changed((_int(before) ^ _int(wanted)).to_bytes(self._rows, "little"))
