"""The caching allocator for CPU tensors that our operators make.

Fresh memory costs a page fault for every 4 KiB that a kernel writes; blocks of the operators' results are therefore kept when
they are freed, and given to the next results. ``GEMS_CPU_ALLOCATOR=0`` in the environment turns that off.
"""

from __future__ import annotations

from ._native import native


def trim() -> None:
    """Gives all cached blocks back to the system."""
    native().allocator_trim()


def stats() -> dict:
    """Bytes and counts of the allocator: what is cached, in use, and how often a cached block served."""
    return native().allocator_stats()


def limit(bytes: int) -> None:
    """The most bytes to keep cached; 0 turns caching off."""
    native().allocator_limit(int(bytes))
