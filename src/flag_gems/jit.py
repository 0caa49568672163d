"""Run-time compilation as the program sees it. ``GEMS_JIT`` says what a call does whose kernel isn't compiled yet:

* ``async`` (default): it runs natively while a thread compiles; later calls take the kernel. Results may then move by rounding
  in the middle of a run. Calls that have no native kernel (``flag_gems.silu_and_mul`` and others of our own) wait for theirs.
* ``sync``: it compiles first (50 to 100 ms once a kernel), so results are the same from the first call on.
* ``off``: it takes what the cache or a pack holds, and runs natively otherwise.
"""

from __future__ import annotations

import contextlib

from ._native import native

MODES = ("off", "sync", "async")


def mode() -> str:
    """The mode in force; "off" where no backend compiles."""
    return MODES[max(0, native().jit_mode(-1))]


def set_mode(name: str) -> None:
    """One of MODES, for the whole process, from the next missing kernel on."""
    if name not in MODES:
        raise ValueError(f"flag_gems: {name!r} is none of {', '.join(MODES)}")
    native().jit_mode(MODES.index(name))


@contextlib.contextmanager
def using(name: str):
    before = mode()
    set_mode(name)
    try:
        yield
    finally:
        set_mode(before)


def pending() -> int:
    """Calls whose kernel is being compiled."""
    return native().jit_pending(0.0)


def wait(timeout: float = 600.0) -> int:
    """Waits until every kernel asked for so far is compiled, ``timeout`` seconds at most. Returns how many are left."""
    return native().jit_pending(float(timeout))
