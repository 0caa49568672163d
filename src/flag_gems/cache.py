"""The cache of compiled kernels: what is in it, and how it is cleaned.

Kernels lie in the folder of the user (``GEMS_CACHE_DIR``, else ``~/.cache/flag_gems``) and in read-only packs
(``GEMS_PACK_DIRS``, those of the package). Every entry is named by a hash of all that it was made from, so entries never have to
be removed because something changed.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from ._native import native


class Removed(NamedTuple):
    entries: int
    bytes: int


class BadEntry(NamedTuple):
    path: str
    why: str


def info() -> dict:
    """The user's folder (``why`` says why it isn't used, else it is empty), packs, sizes, and the counters of this process.

    Counters: ``hits_user``, ``hits_pack``, ``misses`` of loads; ``compiles``; ``stores``, ``stores_failed``; ``corrupt`` entries
    met; ``waits`` for another process that compiled the same kernel, their ``wait_ms`` and ``wait_timeouts``; ``bytes_loaded``,
    ``bytes_stored``; ``trimmed`` entries. Kernels that are in memory already count nothing.
    """
    return native().cache_info()


def stats() -> dict:
    """The counters of ``info()`` alone, without a look at the disk."""
    return native().cache_stats()


def clear() -> Removed:
    """Removes the kernels in the user's folder; packs stay, and so does what is in memory."""
    return Removed(*native().cache_clear())


def trim(max_mb: float) -> Removed:
    """Removes the least recently used kernels of the user's folder until at most ``max_mb`` are left."""
    if not max_mb >= 0:
        raise ValueError(f"flag_gems: a size in MB is 0 or more, got {max_mb!r}")
    return Removed(*native().cache_trim(int(max_mb * 2**20)))


def verify(folder: str | os.PathLike | None = None) -> list[BadEntry]:
    """Reads every kernel in ``folder``, or in all folders that are used, and returns the bad ones. Nothing is removed."""
    return [BadEntry(*b) for b in native().cache_verify(folder)]


def add_pack(folder: str | os.PathLike) -> str:
    """Also reads kernels from ``folder`` (or its subfolder ``kernels``) from now on. Returns "" or why it isn't used."""
    return native().cache_add_pack(folder)
